package main

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/cmd/app"
)

// masterSettings are the flags of muster master, and what becomes of them.
type masterSettings struct {
	cfg       app.MasterConfig
	join      []string
	masters   []string
	followers followersMode
	full      fullMode
}

func (p *program) masterCommand() *cobra.Command {
	s := &p.master
	cmd := &cobra.Command{
		Use:   "master --id ID --data DIR [--bootstrap | --join URL,… | --masters ID=RAFT=URL,…]",
		Short: "run a master",
		Long: `Run a master: it stores the tasks, and serves the API. One of the masters leads.

A new cluster is formed in one of two ways. Either every founding master is given
the same list of all of them (--masters), or the first is started with --bootstrap
and the others with --join. A data directory that belongs to a cluster needs
neither. A single master with --bootstrap works, and survives nothing.`,
		Example: `  muster master --id m1 --data /var/lib/muster --raft-listen 10.0.0.1:7101 --api-listen 10.0.0.1:8101 \
    --masters m1=10.0.0.1:7101=http://10.0.0.1:8101,m2=10.0.0.2:7101=http://10.0.0.2:8101,m3=10.0.0.3:7101=http://10.0.0.3:8101
  muster master --id m1 --data ./m1 --bootstrap
  muster master --id m2 --data ./m2 --raft-listen 127.0.0.1:7102 --api-listen 127.0.0.1:8102 --join http://127.0.0.1:8101`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.check(cmd, "")
			if err != nil { // again, with advice that fits this machine
				_, err = s.check(cmd, p.look().suggestion(cmd.Context()))
				return err
			}
			cfg.Version = version()
			cfg.Logger = p.stay()
			cfg.Metrics = append(cfg.Metrics, p.lines.Collector())
			told := noteSignal(cmd.Context(), cfg.Logger)
			defer told()
			return app.RunMaster(cmd.Context(), cfg, func(apiURL string) {
				cfg.Logger.Info("serving", slog.String("master", cfg.ID), slog.String("api", apiURL), slog.String("data", cfg.DataDir))
			})
		},
	}
	s.define(cmd)
	return cmd
}

func (s *masterSettings) define(cmd *cobra.Command) {
	s.followers, s.full = followersRedirect, fullReject
	cfg, flags := &s.cfg, cmd.Flags()
	flags.StringVar(&cfg.ID, "id", "", "the master's id, its own for ever: a wiped disk needs a new one")
	flags.StringVar(&cfg.DataDir, "data", "", "directory for log and snapshots")
	flags.StringVar(&cfg.RaftListen, "raft-listen", "127.0.0.1:7101", "HOST:PORT to listen on for the other masters")
	flags.StringVar(&cfg.RaftAdvertise, "raft-advertise", "", "HOST:PORT that the other masters dial (default: --raft-listen)")
	flags.StringVar(&cfg.APIListen, "api-listen", "127.0.0.1:8101", "HOST:PORT to serve the API on")
	flags.StringVar(&cfg.APIAdvertise, "api-advertise", "", "base URL that clients and slaves are told (default: http:// and --api-listen)")
	flags.StringSliceVar(&cfg.APINames, "api-names", nil, "further names by which clients may call the API, as of a proxy or a service; * is any")
	flags.BoolVar(&cfg.Bootstrap, "bootstrap", false, "found a cluster of this one master, which others join")
	flags.StringSliceVar(&s.join, "join", nil, "API URLs of masters whose cluster to join")
	flags.StringSliceVar(&s.masters, "masters", nil, "all founding masters, as ID=RAFT-HOST:PORT=API-URL; the same list for each of them")
	flags.Var(&s.followers, "followers", "what followers do with a write: redirect the client to the leader, or forward it themselves")
	flags.DurationVar(&cfg.QuestionTTL, "question-ttl", time.Second, "how long a slave's answer serves for later tasks; 0 asks for every task")
	flags.Var(&s.full, "when-full", "what becomes of a task that finds no free slot and does not say: reject or queue it")
	flags.IntVar(&cfg.QueueLimit, "queue-limit", 100_000, "how many tasks may wait")
	flags.IntVar(&cfg.Retention.Tasks, "retention-tasks", 1_000_000, "done tasks that are kept; the oldest are forgotten")
	flags.DurationVar(&cfg.Retention.Age, "retention-age", 7*24*time.Hour, "how long done tasks are kept")
	flags.Int64Var(&cfg.Retention.Bytes, "retention-bytes", 1<<30, "memory that done tasks may take")
	flags.DurationVar(&cfg.Retention.Min, "retention-min", 10*time.Minute, "no task is forgotten that was done for less")
	flags.DurationVar(&cfg.SlaveTimeout, "slave-timeout", 5*time.Second, "silence after which a slave is lost")
	flags.DurationVar(&cfg.SlaveRetention, "slave-retention", 7*24*time.Hour, "how long slaves that are lost or have left stay in the registry")
	flags.StringVar(&cfg.Profile, "profile", app.ProfileLAN, "Raft's time-outs: lan, or wan for masters far apart")
	flags.Uint64Var(&cfg.SnapshotThreshold, "snapshot-threshold", 32768, "log entries between snapshots, at most: one is due when the log has grown by the size of the last, 16 to 256 MiB")
	flags.Uint64Var(&cfg.MinFreeDisk, "min-free-disk", 64<<20, "bytes of free disk below which a leader hands over to a master with more, or takes no new task")
	complete(cmd, "followers", followersWords[:]...)
	complete(cmd, "when-full", whenFullWords[:]...)
	complete(cmd, "profile", app.ProfileLAN, app.ProfileWAN)
}

// check returns the configuration that the flags of cmd make, or every mistake in
// them. Nothing is dialled or looked up, and of the data directory only read whether
// it belongs to a cluster. here is the host that others may
// reach this machine by, for the advice; it may be empty.
func (s *masterSettings) check(cmd *cobra.Command, here string) (app.MasterConfig, error) {
	cfg := s.cfg
	cfg.ForwardFromFollowers = s.followers == followersForward
	cfg.QueueWhenFull = s.full == fullQueue
	var joinErr, mastersErr error
	cfg.Join, joinErr = mastersURLs("join", s.join)
	cfg.Masters, mastersErr = founders(s.masters)
	var names error
	if !app.Settled(cfg.DataDir) {
		names = newIDs(cfg)
	}
	err := errors.Join(
		needed(cmd, "id", "data", "raft-listen", "api-listen"),
		oneWay(cmd, "bootstrap", "join", "masters"),
		names,
		joinErr, mastersErr,
		apiNames(cfg.APINames),
		checkNumbers(cfg),
		checkMaster(cfg, here),
	)
	if mastersErr == nil {
		err = errors.Join(err, listed(cfg))
	}
	return cfg, err
}

// newIDs checks the ids of a master and of founders that belong to no cluster yet.
func newIDs(cfg app.MasterConfig) error {
	wrong := []error{nameOf("id", cfg.ID)}
	for _, p := range cfg.Masters {
		wrong = append(wrong, nameOf("masters", p.ID))
	}
	return errors.Join(wrong...)
}

// checkNumbers refuses numbers that can't work.
func checkNumbers(cfg app.MasterConfig) error {
	return errors.Join(
		notNegative("question-ttl", cfg.QuestionTTL),
		aboveZero("queue-limit", cfg.QueueLimit),
		aboveZero("retention-tasks", cfg.Retention.Tasks),
		aboveZero("retention-age", cfg.Retention.Age),
		aboveZero("retention-bytes", cfg.Retention.Bytes),
		aboveZero("retention-min", cfg.Retention.Min),
		aboveZero("slave-timeout", cfg.SlaveTimeout),
		aboveZero("slave-retention", cfg.SlaveRetention),
		aboveZero("snapshot-threshold", cfg.SnapshotThreshold),
		aboveZero("min-free-disk", cfg.MinFreeDisk),
	)
}

// checkMaster refuses a profile and addresses that can't work.
func checkMaster(cfg app.MasterConfig, here string) error {
	var profile error
	if cfg.Profile != app.ProfileLAN && cfg.Profile != app.ProfileWAN {
		profile = wrongf("profile", "%q is none of %s, %s", cfg.Profile, app.ProfileLAN, app.ProfileWAN)
	}
	return errors.Join(
		profile,
		listenAddress("raft-listen", cfg.RaftListen),
		listenAddress("api-listen", cfg.APIListen),
		samePort("api-listen", cfg.APIListen, "raft-listen", cfg.RaftListen),
		advertised("raft-advertise", cfg.RaftAdvertise, "raft-listen", cfg.RaftListen, here),
		advertisedURL("api-advertise", cfg.APIAdvertise, "api-listen", cfg.APIListen, here),
	)
}

// apiNames refuses what can't be the name of a host.
func apiNames(names []string) error {
	var wrong []error
	for _, name := range names {
		if name == "*" {
			continue
		}
		if u, err := parseBaseURL("http://" + name); err != nil || u.Host != name || u.Port() != "" {
			wrong = append(wrong, inElement(wrongf("api-names", "has %q; it takes names of hosts without scheme and port, like tasks.example.net, or * for any", name), name))
		}
	}
	return errors.Join(wrong...)
}

// listed checks that this master stands in its own list of founders as it will
// be reached.
func listed(cfg app.MasterConfig) error {
	if len(cfg.Masters) == 0 || cfg.ID == "" {
		return nil
	}
	raft, api := cfg.RaftAdvertise, cfg.APIAdvertise
	if raft == "" {
		raft = cfg.RaftListen
	}
	if api == "" {
		api = "http://" + cfg.APIListen
	}
	for _, m := range cfg.Masters {
		if m.ID != cfg.ID {
			continue
		}
		var wrongRaft, wrongAPI error
		if m.RaftAddress != raft {
			wrongRaft = wrongf("masters", "has %s for Raft of %s, but it is reached at %s; make --raft-advertise and the list agree", m.RaftAddress, m.ID, raft)
		}
		if m.APIURL != strings.TrimRight(api, "/") {
			wrongAPI = wrongf("masters", "has %s for the API of %s, but it is reached at %s; make --api-advertise and the list agree", m.APIURL, m.ID, api)
		}
		return errors.Join(wrongRaft, wrongAPI)
	}
	ids := make([]string, len(cfg.Masters))
	for i, m := range cfg.Masters {
		ids[i] = m.ID
	}
	return wrongf("masters", "does not name %q (--id), only %s; the list names all founding masters, this one too", cfg.ID, strings.Join(ids, ", "))
}

// What followers do with writes.
const (
	followersRedirect followersMode = "redirect"
	followersForward  followersMode = "forward"
)

var followersWords = [...]string{string(followersRedirect), string(followersForward)}

// followersMode is a flag.
type followersMode string

// String returns the mode.
func (m *followersMode) String() string { return string(*m) }

// Set takes a mode.
func (m *followersMode) Set(s string) error { return setWord(m, s, followersWords[:]) }

// Type is what the help shows for the value.
func (m *followersMode) Type() string { return "mode" }

// What becomes of tasks that find no free slot.
const (
	fullReject fullMode = "reject"
	fullQueue  fullMode = "queue"
)

var whenFullWords = [...]string{string(fullReject), string(fullQueue)}

// fullMode is a flag.
type fullMode string

// String returns the mode.
func (m *fullMode) String() string { return string(*m) }

// Set takes a mode.
func (m *fullMode) Set(s string) error { return setWord(m, s, whenFullWords[:]) }

// Type is what the help shows for the value.
func (m *fullMode) Type() string { return "mode" }
