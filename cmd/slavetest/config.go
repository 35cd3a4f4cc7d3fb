package slavetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Order is what a task of the slave's kind looks like. Parameters is a JSON
// object, or empty.
type Order struct {
	Expression string
	Parameters string
}

// Config says which slave is tested, and with which tasks. URL, Listen and Kind
// are required.
type Config struct {
	URL    string // of the slave
	Listen string // HOST:PORT at which the slave finds its master: this test
	Kind   string
	Short  Order  // done at once
	Want   string // the result of Short; empty: any
	Long   Order  // takes LongFor; can be cancelled
	// LongFor is how long Long takes; default 3 s.
	LongFor time.Duration
	// Register bounds the wait for the slave's registration; default 60 s.
	Register time.Duration
	// Patience bounds the wait for what a slave does at once; default 10 s.
	Patience time.Duration
	// Quiet is how long nothing must come where nothing may come; default 3 s,
	// longer than a slave's pause between two reports.
	Quiet time.Duration
	// Start starts the slave. Without it the slave runs already, and the rules
	// that need its end are skipped.
	Start func(ctx context.Context) (Life, error)
}

// Life is one run of the slave, from its start to its end.
type Life interface {
	// Term asks it to drain and end, as SIGTERM does. ErrNoSignal: it can't be
	// asked.
	Term() error
	// Ended is closed when it has ended.
	Ended() <-chan struct{}
	// Kill ends it at once and waits for the end.
	Kill() error
}

// ErrNoSignal says that this platform can't ask a process to end.
var ErrNoSignal = errors.New("this platform can't ask a process to end")

func (c Config) checked() (Config, error) {
	orDefault := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	orDefault(&c.LongFor, 3*time.Second)
	orDefault(&c.Register, time.Minute)
	orDefault(&c.Patience, 10*time.Second)
	orDefault(&c.Quiet, 3*time.Second)
	c.URL = strings.TrimRight(c.URL, "/")
	switch {
	case c.URL == "" || c.Listen == "" || c.Kind == "":
		return c, errors.New("the slave's URL, an address to listen on and a kind are needed")
	case c.LongFor < 0 || c.Register < 0 || c.Patience < 0 || c.Quiet < 0:
		return c, errors.New("a time is negative")
	}
	for _, o := range []Order{c.Short, c.Long} {
		if _, err := o.parameters(); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (o Order) parameters() (map[string]any, error) {
	if o.Parameters == "" {
		return map[string]any{}, nil
	}
	var out map[string]any
	if err := unmarshal([]byte(o.Parameters), &out); err != nil {
		return nil, fmt.Errorf("the parameters %s are not a JSON object: %w", o.Parameters, err)
	}
	return out, nil
}
