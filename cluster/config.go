package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"muster/cluster/store"
)

// Config is everything that a Node takes from outside. The zero value of an
// optional field takes the default that its comment names.
type Config struct {
	ID            string // required; never given to another disk
	DataDir       string // required; made if missing
	RaftAdvertise string // required; equals Transport.LocalAddr()
	APIURL        string // required; base URL that others reach this master's API at

	// Transport carries Raft's messages; see NewTransport. Once Open has
	// succeeded the node owns it and closes it.
	Transport Transport
	// Peers talks to the APIs of other masters. It may be nil for a cluster of
	// one that nobody joins.
	Peers Peers

	// One of the three ways to get into a cluster. All are ignored by a data
	// directory that already belongs to one.
	Bootstrap bool      // form a cluster of one
	Join      []string  // API URLs of masters to join
	Founders  []Founder // form a cluster with these masters, this one included

	Timings Timings // default: LAN()
	// A snapshot is due when the log behind the last one has as many bytes as that, but
	// not less than MinLogBytes, or when it has MaxLogBytes or SnapshotThreshold entries.
	MinLogBytes       int64  // default 16 MiB
	MaxLogBytes       int64  // default 256 MiB
	SnapshotThreshold uint64 // default 32768
	TrailingLogs      uint64 // entries kept behind a snapshot; default 10240
	MaxTrailingBytes  int64  // bytes kept behind a snapshot; default 64 MiB
	MaxCacheBytes     int64  // recent entries kept in memory; default 32 MiB
	MaxAppendEntries  int    // entries of one message to a follower; default 64

	MinFreeDisk uint64 // bytes; below, no new tasks are taken; default 64 MiB
	// FreeDisk tells the bytes that are free for a directory. Default: the
	// operating system's answer.
	FreeDisk func(dir string) (uint64, error)
	// HungStore is how long a write to the disk may take before Run gives up;
	// default 10 s.
	HungStore   time.Duration
	JoinTimeout time.Duration // for a joiner to catch up; default 30 s

	// Lead does the leader's work of one term. It is called when this node is
	// the leader and its View shows all that earlier leaders committed. It
	// returns nil soon after ctx ends; returning earlier, or with an error,
	// makes the node hand leadership away. Never called twice at once.
	Lead func(ctx context.Context, term uint64) error

	// WrapLogStore puts something between Raft and its log; tests inject faults.
	WrapLogStore func(raft.LogStore) raft.LogStore

	Logger  *slog.Logger          // default: discard
	Now     func() time.Time      // the wall clock; default time.Now
	Metrics prometheus.Registerer // default: none
}

// Founder is one master of a cluster that is formed by an identical list.
type Founder struct {
	ID          string
	RaftAddress string
	APIURL      string
}

// Timings are how long masters wait for each other. Raft's own time-outs are random up to
// twice as long, and matter where followers can't agree that the leader is gone.
type Timings struct {
	Silence   time.Duration // of the leader before followers ask each other whether they hear it; default: Heartbeat
	Heartbeat time.Duration // silence of the leader before a follower asks for an election
	Election  time.Duration // length of a try to get elected
	Lease     time.Duration // without a majority's answers, a leader steps down
	Commit    time.Duration // an idle leader tells followers its commit index this often
}

// LAN are the timings for masters that are a few milliseconds apart.
func LAN() Timings {
	return Timings{
		Silence: time.Second, Heartbeat: 1500 * time.Millisecond, Election: 1500 * time.Millisecond,
		Lease: 750 * time.Millisecond, Commit: 25 * time.Millisecond,
	}
}

// WAN are the timings for masters in different places.
func WAN() Timings {
	return Timings{
		Silence: 2 * time.Second, Heartbeat: 3 * time.Second, Election: 3 * time.Second,
		Lease: 1500 * time.Millisecond, Commit: 50 * time.Millisecond,
	}
}

func (c Config) withDefaults() Config {
	set(&c.Timings, LAN())
	set(&c.Timings.Silence, c.Timings.Heartbeat)
	set(&c.SnapshotThreshold, 32768)
	set(&c.MinLogBytes, 16<<20)
	set(&c.TrailingLogs, 10240)
	set(&c.MaxLogBytes, 256<<20)
	set(&c.MaxTrailingBytes, 64<<20)
	set(&c.MaxCacheBytes, 32<<20)
	set(&c.MaxAppendEntries, 64)
	set(&c.MinFreeDisk, 64<<20)
	set(&c.HungStore, 10*time.Second)
	set(&c.JoinTimeout, 30*time.Second)
	if c.FreeDisk == nil {
		c.FreeDisk = store.FreeDisk
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Lead == nil {
		c.Lead = func(ctx context.Context, _ uint64) error { <-ctx.Done(); return nil }
	}
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) validate() error {
	switch {
	case c.ID == "":
		return errors.New("a master needs an id")
	case c.DataDir == "":
		return errors.New("a master needs a data directory")
	case c.APIURL == "":
		return errors.New("a master needs an API URL that others can reach")
	case c.Transport == nil:
		return errors.New("a master needs a transport for Raft")
	}
	if local := string(c.Transport.LocalAddr()); c.RaftAdvertise != local {
		return fmt.Errorf("the Raft address %q is not the transport's address %q", c.RaftAdvertise, local)
	}
	ways := 0
	for _, way := range []bool{c.Bootstrap, len(c.Join) > 0, len(c.Founders) > 0} {
		if way {
			ways++
		}
	}
	if ways > 1 {
		return errors.New("bootstrap, join and a list of founders exclude each other: give one")
	}
	if (len(c.Join) > 0 || len(c.Founders) > 1) && c.Peers == nil {
		return errors.New("joining or forming a cluster needs a way to talk to other masters")
	}
	return c.validateFounders()
}

func (c *Config) validateFounders() error {
	if len(c.Founders) == 0 {
		return nil
	}
	ids, addresses, self := map[string]bool{}, map[string]bool{}, false
	for _, f := range c.Founders {
		if f.ID == "" || f.RaftAddress == "" || f.APIURL == "" {
			return fmt.Errorf("the list of masters has an entry without an id, a Raft address or an API URL: %+v", f)
		}
		if ids[f.ID] || addresses[f.RaftAddress] || addresses[f.APIURL] {
			return fmt.Errorf("the list of masters names an id or an address twice: %+v", f)
		}
		ids[f.ID], addresses[f.RaftAddress], addresses[f.APIURL] = true, true, true
		if f.ID != c.ID {
			continue
		}
		self = true
		if f.RaftAddress != c.RaftAdvertise || f.APIURL != c.APIURL {
			return fmt.Errorf("the list of masters gives master %q the addresses %s and %s, but it runs at %s and %s",
				f.ID, f.RaftAddress, f.APIURL, c.RaftAdvertise, c.APIURL)
		}
	}
	if !self {
		return fmt.Errorf("the list of masters does not name this one, %q", c.ID)
	}
	return nil
}
