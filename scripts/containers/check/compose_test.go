package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

const composePath = "../compose.yaml"

// What a process needs to end gracefully: scripts/package/systemd has the sums.
const (
	masterEnd = 60 * time.Second
	slaveEnd  = 30 * time.Second // and its drain-timeout
)

// loadCompose reads a Compose file as Compose does.
func loadCompose(text []byte) (*types.Project, error) {
	path, err := filepath.Abs(composePath)
	if err != nil {
		return nil, err
	}
	return loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  filepath.Dir(path),
		ConfigFiles: []types.ConfigFile{{Filename: path, Content: text}},
		Environment: types.Mapping{},
	})
}

// flagsOf are the flags of a command line, with their values: --x y and --x=y.
func flagsOf(args []string) map[string]string {
	flags := map[string]string{}
	for i, arg := range args {
		name, value, joined := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		switch {
		case !strings.HasPrefix(arg, "--"):
		case joined:
			flags[name] = value
		case i+1 < len(args):
			flags[name] = args[i+1]
		}
	}
	return flags
}

// judgeCompose returns what is wrong with a Compose file.
func judgeCompose(text []byte) error {
	project, err := loadCompose(text)
	if err != nil {
		return err
	}
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	var masters, slaves, urls, founders []string
	for _, name := range project.ServiceNames() {
		if s := project.Services[name]; len(s.Command) > 0 && s.Command[0] == "master" {
			masters = append(masters, name)
			urls = append(urls, apiOf(name))
			founders = append(founders, founder(name, name))
		} else {
			slaves = append(slaves, name)
		}
	}
	if len(masters) != 3 || len(slaves) != 2 {
		complain("there are masters %q and slaves %q; three and two are wanted", masters, slaves)
	}
	published, volumes := map[string]string{}, map[string]string{}
	for _, name := range project.ServiceNames() {
		s := project.Services[name]
		flags := flagsOf(s.Command)
		if s.Build == nil || !sameFile(filepath.Join(s.Build.Context, s.Build.Dockerfile), dockerfilePath) || !sameFile(s.Build.Context, root) {
			complain("%s: it is not built from the root of the repository with %s", name, dockerfilePath)
		}
		if s.Restart != types.RestartPolicyUnlessStopped {
			complain("%s: restart is %q; a master whose disk hung ends by itself and must come back", name, s.Restart)
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged || s.User != "" {
			complain("%s: it has more rights than it needs", name)
		}
		if s.MemLimit == 0 {
			complain("%s: memory has no limit", name)
		}
		if goal, ok := s.Environment["GOMEMLIMIT"]; ok && goal != nil {
			wrong = append(wrong, judgeMemory(name, *goal, int64(s.MemLimit)))
		}
		for key, value := range s.Environment {
			if key == "MUSTER_ADDRESS" && (value == nil || *value != strings.Join(urls, ",")) {
				complain("%s: MUSTER_ADDRESS does not name %q", name, urls)
			} else if strings.HasPrefix(key, "MUSTER_") && key != "MUSTER_ADDRESS" {
				complain("%s: %s is a setting; it belongs into the command line, which is checked", name, key)
			}
		}
		grace, listens := masterEnd, fmt.Sprintf(":%d", apiPort)
		if s.Command[0] == "master" {
			if got := flags["masters"]; got != strings.Join(founders, ",") {
				complain("%s: --masters is %q; all founders are %q", name, got, founders)
			}
			if flags["id"] != name || flags["api-listen"] != listens || flags["raft-listen"] != fmt.Sprintf(":%d", raftPort) {
				complain("%s: its id or what it listens on is not that of the service", name)
			}
			if flags["followers"] != "forward" {
				complain("%s: followers must forward: a client outside the network can't follow a redirect to http://%s:%d", name, name, apiPort)
			}
			if len(s.Volumes) != 1 || s.Volumes[0].Type != types.VolumeTypeVolume || s.Volumes[0].Target != flags["data"] {
				complain("%s: there is no volume of its own at --data %s", name, flags["data"])
			} else if other := volumes[s.Volumes[0].Source]; other != "" {
				complain("%s and %s share the volume %s", name, other, s.Volumes[0].Source)
			} else {
				volumes[s.Volumes[0].Source] = name
			}
			if len(s.Ports) != 1 || s.Ports[0].HostIP != "127.0.0.1" || s.Ports[0].Target != apiPort {
				complain("%s: its API must be published, on 127.0.0.1 alone: nobody is asked who he is", name)
			} else if other := published[s.Ports[0].Published]; other != "" {
				complain("%s and %s are published on the same port %s", name, other, s.Ports[0].Published)
			} else {
				published[s.Ports[0].Published] = name
			}
		} else {
			listens = fmt.Sprintf(":%d", slavePort)
			drain, err := time.ParseDuration(flags["drain-timeout"])
			if err != nil {
				complain("%s: --drain-timeout: %w", name, err)
			}
			grace = drain + slaveEnd
			if flags["masters"] != strings.Join(urls, ",") {
				complain("%s: --masters is %q; the masters are %q", name, flags["masters"], urls)
			}
			if flags["name"] != name || flags["listen"] != listens || flags["advertise"] != "http://"+name+listens {
				complain("%s: its name or its address is not that of the service", name)
			}
		}
		if s.StopGracePeriod == nil || time.Duration(*s.StopGracePeriod) < grace {
			complain("%s: stop_grace_period is %v; it may need %s", name, s.StopGracePeriod, grace)
		}
		wrong = append(wrong, judgeHealth(s, listens))
	}
	return errors.Join(wrong...)
}

// apiOf is the base URL of the master that has a host name.
func apiOf(host string) string { return "http://" + net.JoinHostPort(host, strconv.Itoa(apiPort)) }

// founder is a master as --masters has it.
func founder(id, host string) string {
	return id + "=" + net.JoinHostPort(host, strconv.Itoa(raftPort)) + "=" + apiOf(host)
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// judgeHealth looks at a service's health check, which has no shell and asks the
// port that the service listens on.
func judgeHealth(s types.ServiceConfig, listens string) error {
	if s.HealthCheck == nil || len(s.HealthCheck.Test) < 3 || s.HealthCheck.Test[0] != "CMD" || s.HealthCheck.Test[1] != "muster" || s.HealthCheck.Test[2] != "healthcheck" {
		return fmt.Errorf("%s: its health check is not CMD muster healthcheck", s.Name)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", apiPort)
	for _, arg := range s.HealthCheck.Test[3:] {
		if strings.HasPrefix(arg, "http") {
			url = arg
		}
	}
	if url != "http://127.0.0.1"+listens {
		return fmt.Errorf("%s: its health check asks %s, and it listens on %s", s.Name, url, listens)
	}
	return nil
}

// judgeMemory wants GOMEMLIMIT to be about nine tenths of the limit.
func judgeMemory(name, goal string, limit int64) error {
	number, err := strconv.ParseInt(strings.TrimSuffix(goal, "MiB"), 10, 64)
	if err != nil || !strings.HasSuffix(goal, "MiB") {
		return fmt.Errorf("%s: GOMEMLIMIT %q is no number of MiB", name, goal)
	}
	if tenths := float64(number<<20) / float64(limit) * 10; tenths < 8 || tenths > 9.5 {
		return fmt.Errorf("%s: GOMEMLIMIT is %.1f tenths of the memory limit of %d bytes; 9 are wanted", name, tenths, limit)
	}
	return nil
}
