package slave

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/slave/worker"
	"muster/task"
)

// Handler executes one attempt of a task; see worker.Handler.
type Handler = worker.Handler

// Engine executes many attempts at once, without a goroutine for each; see
// worker.Engine.
type Engine = worker.Engine

// Kind is a kind of task that the slave runs.
type Kind struct {
	Name string
	// Idempotent says that running a task of this kind twice does no harm.
	Idempotent bool
	Handle     Handler
	// Begin is for kinds of which thousands run in a second, in the place of Handle.
	Begin Engine
}

// Config describes a slave. Name, Masters, at least one Kind, and Listen or
// Listener are required.
type Config struct {
	Name   string
	Listen string // host:port
	// Listener is used in the place of Listen; Run closes it.
	Listener net.Listener
	// Advertise is the base URL that masters call; default: http:// and the
	// address that the slave listens on.
	Advertise string
	Slots     int // tasks at once, until Resize; default 1
	Kinds     []Kind
	Labels    map[string]string // what tasks can require of the slave
	Version   string            // of your program, shown in lists; may be empty
	Masters   Masters

	// DrainTimeout bounds the time to finish and report after ctx's end;
	// default 30 s.
	DrainTimeout time.Duration
	// SilenceTimeout is the time without a question of a master after which the
	// slave registers again, or at most twice that, so that many slaves do not come
	// at once; default 45 s. A leader asks idle slaves every 30 s.
	SilenceTimeout time.Duration

	// Listening, if not nil, is called once the slave listens, with its URL.
	Listening func(url string)
	Logger    *slog.Logger // default: discard; a handler that blocks holds up the slave
}

// Slave is one slave. Make it with New.
type Slave struct {
	cfg Config
	log *slog.Logger

	mu     sync.Mutex
	slots  int            // of the next run; under mu
	worker *worker.Worker // of the present run; nil: it does not run; under mu
}

// New checks a configuration.
func New(cfg Config) (*Slave, error) {
	if cfg.Slots == 0 {
		cfg.Slots = 1
	}
	if cfg.DrainTimeout == 0 {
		cfg.DrainTimeout = 30 * time.Second
	}
	if cfg.SilenceTimeout == 0 {
		cfg.SilenceTimeout = 45 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("slave %q: %w", cfg.Name, err)
	}
	cfg.Kinds = slices.Clone(cfg.Kinds)
	slices.SortFunc(cfg.Kinds, func(a, b Kind) int { return strings.Compare(a.Name, b.Name) })
	cfg.Labels = maps.Clone(cfg.Labels)
	return &Slave{cfg: cfg, slots: cfg.Slots, log: cfg.Logger.With("slave", cfg.Name)}, nil
}

func (c *Config) check() error {
	if err := task.CheckName(c.Name); err != nil {
		return fmt.Errorf("its name %w", err)
	}
	switch {
	case c.Listen == "" && c.Listener == nil:
		return errors.New("it needs an address to listen on")
	case c.Slots < 1 || c.Slots > task.MaxSlots:
		return fmt.Errorf("%d slots; 1 to %d are possible", c.Slots, task.MaxSlots)
	case c.Masters == nil:
		return errors.New("it needs masters")
	case len(c.Kinds) == 0 || len(c.Kinds) > task.MaxKinds:
		return fmt.Errorf("%d kinds; 1 to %d are possible", len(c.Kinds), task.MaxKinds)
	case c.DrainTimeout < 0 || c.SilenceTimeout < 0:
		return errors.New("a time-out is negative")
	}
	seen := make(map[string]bool, len(c.Kinds))
	for _, k := range c.Kinds {
		if err := task.CheckName(k.Name); err != nil {
			return fmt.Errorf("its kind %w", err)
		}
		if (k.Handle == nil) == (k.Begin == nil) || seen[k.Name] {
			return fmt.Errorf("kind %q needs a name of its own, and either a handler or an engine", k.Name)
		}
		seen[k.Name] = true
	}
	if err := c.checkLabels(); err != nil {
		return err
	}
	if c.Advertise != "" {
		return checkAdvertised(c.Advertise)
	}
	return nil
}

// checkLabels refuses what masters would refuse, before the slave listens.
func (c *Config) checkLabels() error {
	if err := task.CheckLabels(c.labels()); err != nil {
		return fmt.Errorf("it %w", err)
	}
	if len(c.Version) > task.MaxVersionBytes {
		return fmt.Errorf("its version has %d bytes; at most %d are possible", len(c.Version), task.MaxVersionBytes)
	}
	return nil
}

// executors are the kinds in the worker's terms.
func (c *Config) executors() (map[string]Handler, map[string]Engine) {
	handlers, engines := make(map[string]Handler, len(c.Kinds)), make(map[string]Engine, len(c.Kinds))
	for _, k := range c.Kinds {
		if k.Begin != nil {
			engines[k.Name] = k.Begin
		} else {
			handlers[k.Name] = k.Handle
		}
	}
	return handlers, engines
}

// registration is what the slave says of itself.
func (c *Config) registration(url, incarnation string) task.Registration {
	kinds := make([]task.Kind, len(c.Kinds))
	for i, k := range c.Kinds {
		kinds[i] = task.Kind{Name: k.Name, Idempotent: k.Idempotent}
	}
	return task.Registration{
		Name: c.Name, URL: url, Slots: c.Slots, Incarnation: incarnation, Kinds: kinds, Labels: c.labels(), Version: c.Version,
	}
}

// labels are the labels in order.
func (c *Config) labels() []task.Label {
	var labels []task.Label
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, task.Label{Name: name, Value: c.Labels[name]})
	}
	return labels
}
