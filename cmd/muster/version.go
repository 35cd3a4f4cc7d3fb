package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionInfo is what this binary was built from.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from files that were not committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "show the version of this binary",
		Args:  takes(),
		RunE: func(*cobra.Command, []string) error {
			info := buildInfo()
			return p.print(info, func() error {
				revision := ""
				if info.Revision != "" {
					revision = ", revision " + info.Revision
				}
				if info.Modified {
					revision += " with changes"
				}
				_, err := fmt.Fprintf(p.stdout, "muster %s%s (%s, %s)\n", info.Version, revision, info.Go, info.Platform)
				return err
			})
		},
	}
}

// version is what masters tell others.
func version() string { return buildInfo().Version }

func buildInfo() versionInfo {
	info := versionInfo{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	if v := build.Main.Version; v != "" && v != "(devel)" {
		info.Version = v
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Revision = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	return info
}
