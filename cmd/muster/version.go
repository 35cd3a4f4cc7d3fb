package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// What scripts/package/common.sh has the linker write into a release. Empty in
// other builds, which ask the go command's own stamps.
//
//nolint:gochecknoglobals // the linker can set nothing else; nobody assigns to them
var (
	releaseVersion  string // as v1.2.3
	releaseCommit   string
	releaseTime     string // of the commit: a build's own time would make two builds differ
	releaseModified string // "true": built from files that were not committed
)

// versionInfo is what this binary was built from.
type versionInfo struct {
	Version    string `json:"version"`
	Commit     string `json:"commit,omitempty"`
	CommitTime string `json:"commit_time,omitempty"`
	Modified   bool   `json:"modified,omitempty"` // built from files that were not committed
	Go         string `json:"go"`
	Platform   string `json:"platform"`
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "show the version of this binary",
		Args:  takes(),
		RunE: func(*cobra.Command, []string) error {
			info := buildInfo()
			return p.print(info, func() error {
				commit := ""
				if info.Commit != "" {
					commit = ", commit " + info.Commit[:min(len(info.Commit), 12)]
				}
				if info.Modified {
					commit += " with changes"
				}
				_, err := fmt.Fprintf(p.stdout, "muster %s%s (%s, %s)\n", info.Version, commit, info.Go, info.Platform)
				return err
			})
		},
	}
}

// version is what masters and slaves tell others.
func version() string { return buildInfo().Version }

func buildInfo() versionInfo {
	info := versionInfo{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if releaseVersion != "" {
		info.Version, info.Commit, info.CommitTime = releaseVersion, releaseCommit, releaseTime
		info.Modified = releaseModified == "true"
		return info
	}
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
			info.Commit = s.Value
		case "vcs.time":
			info.CommitTime = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	return info
}
