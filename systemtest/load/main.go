package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"muster/systemtest/masters"
)

// settings are the command's flags.
type settings struct {
	muster  string
	load    time.Duration
	calm    time.Duration
	limit   time.Duration
	keep    bool
	clients int
	slots   int
	rate    int

	dir string // for all that is written
}

// mode is one way to overload a cluster.
type mode struct {
	clients, slots int // the defaults of the flags
	load           time.Duration
	run            func(ctx context.Context, s settings) error
}

func modes() map[string]mode {
	return map[string]mode{
		"connections": {clients: 2000, slots: 4, load: 3 * time.Minute, run: connections},
		"neighbours":  {clients: 64, slots: 64, load: 5 * time.Minute, run: neighbours},
		"readers":     {clients: 768, slots: 64, load: time.Minute, run: readers},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stopped above
	}
}

func run(ctx context.Context, args []string) (err error) {
	m, known := mode{}, false
	if len(args) > 0 {
		m, known = modes()[args[0]]
	}
	if !known {
		return errors.New("name what to measure: connections, neighbours or readers")
	}
	var s settings
	flags := flag.NewFlagSet("load "+args[0], flag.ContinueOnError)
	flags.StringVar(&s.muster, "muster", "", "the muster to measure (default: built from the source here)")
	flags.DurationVar(&s.load, "for", m.load, "how long the load lasts")
	flags.DurationVar(&s.calm, "calm", 10*time.Second, "how long each measurement before the load lasts")
	flags.DurationVar(&s.limit, "limit", time.Minute, "bound of each start")
	flags.BoolVar(&s.keep, "keep", false, "keep the directory with the masters' data and logs")
	flags.IntVar(&s.clients, "clients", m.clients, "clients or, of the mode readers, readers")
	flags.IntVar(&s.slots, "slots", m.slots, "slots of each of the two slaves")
	flags.IntVar(&s.rate, "rate", 100, "of the mode readers: submits a second")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if s.clients < 1 || s.slots < 1 || s.rate < 1 {
		return errors.New("-clients, -slots and -rate must be at least 1")
	}
	if s.dir, err = os.MkdirTemp("", "muster-load-"); err != nil {
		return err
	}
	if s.keep {
		fmt.Fprintln(os.Stderr, "data and logs are in", s.dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	}
	if s.muster == "" {
		s.muster = filepath.Join(s.dir, "muster")
		if err := masters.Build(ctx, s.muster); err != nil {
			return err
		}
	}
	if err := masters.RaiseFileLimit(); err != nil {
		return err
	}
	return m.run(ctx, s)
}

// sayf prints a line of what was measured.
func sayf(format string, args ...any) {
	fmt.Printf(format+"\n", args...) //nolint:forbidigo // it is the command's own output
}
