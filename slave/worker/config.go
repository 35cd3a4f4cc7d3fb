package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"muster/task"
)

// Handler executes one attempt. It must return when ctx ends, which happens at
// the order's time-out, when a master cancels the attempt and when the slave
// stops; its slot stays taken until it returns. An error fails the task for
// good, unless it has a method Retryable() bool that returns true (looked for
// with errors.As): then another execution may be tried. A panic fails the task
// for good and nothing else.
type Handler func(ctx context.Context, o task.Order) (task.Value, error)

// Reporter carries results to a master.
type Reporter interface {
	// Report tells any master a batch of results and returns its verdict on
	// each, in any order. The worker calls it from one goroutine and repeats it
	// until every result has a verdict that settles it, so it may be given the
	// same result many times. With an error, nothing is known of the results
	// without a verdict; a *task.Error is a refusal of the whole report. It
	// returns when ctx ends.
	Report(ctx context.Context, r task.Report) ([]task.Verdict, error)
}

// Config describes a worker. Name, Incarnation, Handlers or Engines, and Reporter are
// required.
type Config struct {
	Name        string
	Incarnation string // random, new at every start; see Serve for the later ones
	Slots       int    // attempts at once, until Resize; default 1
	// Resized, if not nil, is called when Resize has changed the number of slots. It
	// must not block, nor call the worker.
	Resized func()
	// Estranged, if not nil, is called when a report was refused because the masters
	// are another cluster. It must not block, nor call the worker.
	Estranged func()
	Handlers  map[string]Handler // by kind
	Engines   map[string]Engine  // by kind, of the kinds that have no Handler
	Reporter  Reporter
	// ReportTimeout bounds one call of Reporter.Report, which may try several
	// masters; default 30 s.
	ReportTimeout time.Duration
	Logger        *slog.Logger // default: discard
}

// New returns a worker that takes nothing yet; see Worker.Start.
func New(cfg Config) (*Worker, error) {
	if cfg.Slots == 0 {
		cfg.Slots = 1
	}
	if cfg.ReportTimeout == 0 {
		cfg.ReportTimeout = 30 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Name == "":
		return nil, errors.New("worker without a name")
	case cfg.Incarnation == "":
		return nil, fmt.Errorf("worker %q without an incarnation", cfg.Name)
	case cfg.Slots < 1 || cfg.Slots > task.MaxSlots:
		return nil, fmt.Errorf("worker %q with %d slots; 1 to %d are possible", cfg.Name, cfg.Slots, task.MaxSlots)
	case cfg.ReportTimeout < 0:
		return nil, fmt.Errorf("worker %q with a negative report time-out", cfg.Name)
	case cfg.Reporter == nil:
		return nil, fmt.Errorf("worker %q without a reporter", cfg.Name)
	case len(cfg.Handlers)+len(cfg.Engines) == 0:
		return nil, fmt.Errorf("worker %q without handlers", cfg.Name)
	}
	cfg.Handlers = maps.Clone(cfg.Handlers)
	for kind, h := range cfg.Handlers {
		if kind == "" || h == nil {
			return nil, fmt.Errorf("worker %q: kind %q needs a name and a handler", cfg.Name, kind)
		}
	}

	cfg.Engines = maps.Clone(cfg.Engines)
	for kind, e := range cfg.Engines {
		if kind == "" || e == nil || cfg.Handlers[kind] != nil {
			return nil, fmt.Errorf("worker %q: kind %q needs a name, and either an engine or a handler", cfg.Name, kind)
		}
	}

	w := &Worker{
		cfg:         cfg,
		log:         cfg.Logger.With("slave", cfg.Name),
		incarnation: cfg.Incarnation,
		fences:      map[string]task.Stamp{},
		slots:       cfg.Slots,
		wake:        make(chan struct{}, 1),
		changed:     make(chan struct{}),
		known:       newTable(),
	}
	w.work, w.interrupt = context.WithCancelCause(context.Background())
	w.reporting, w.stopReporting = context.WithCancel(context.Background())
	return w, nil
}
