package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	builds []build // the first is what the others are compared with
	nats   string  // nats-server; empty: without NATS
	gin    bool
	only   []string
	reps   int
	during time.Duration // of load, in each measurement
	dir    string        // where the processes keep their data
	memory string        // as dir, but where a sync is free
	queued int           // tasks of the row "queue"
	tasks  int           // tasks of the row "memory"
	perf   string        // where profiles go; empty: none
	nice   int           // of all processes
}

// build is one binary of muster.
type build struct{ name, path string }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if role, address, isPart := strings.Cut(os.Getenv(partVariable), " "); isPart {
		return runPart(role, address)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.nice != 0 {
		if err := beNice(s.nice); err != nil {
			return fmt.Errorf("set the niceness: %w", err)
		}
	}
	return measureAll(ctx, s, os.Stdout)
}

func parse(args []string) (settings, error) {
	s := settings{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Func("muster", "NAME=PATH of a binary; several times, the first is the base", func(v string) error {
		name, path, ok := strings.Cut(v, "=")
		if !ok {
			return errors.New("must be NAME=PATH")
		}
		path, err := filepath.Abs(path) // the processes start in other directories
		if err != nil {
			return err
		}
		s.builds = append(s.builds, build{name, path})
		return nil
	})
	f.StringVar(&s.nats, "nats", "", "PATH of nats-server; without it NATS is left out")
	f.BoolVar(&s.gin, "gin", true, "compare with a bare gin server")
	only := f.String("only", strings.Join(usualRows(), ","), "rows to measure, of "+strings.Join(allRows(), ","))
	f.IntVar(&s.reps, "reps", 5, "repetitions")
	f.DurationVar(&s.during, "for", 4*time.Second, "load in each measurement")
	f.StringVar(&s.dir, "dir", os.TempDir(), "where data go that are synced")
	f.StringVar(&s.memory, "shm", "/dev/shm", "where data go whose syncs are to be free")
	f.IntVar(&s.queued, "queued", 5000, "tasks in the row queue")
	f.IntVar(&s.tasks, "tasks", 1_000_000, "tasks in the row memory")
	f.StringVar(&s.perf, "perf", "", "directory for a perf profile of each process of muster (needs perf)")
	f.IntVar(&s.nice, "nice", 0, "niceness of all processes; -15 (as root) keeps other programs from disturbing much")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.only = strings.Split(*only, ",")
	for _, row := range s.only {
		if !slices.Contains(allRows(), row) {
			return s, fmt.Errorf("there is no row %q; there are %s", row, strings.Join(allRows(), ", "))
		}
	}
	if len(s.builds) == 0 {
		return s, errors.New("no -muster NAME=PATH was given; hotpath.sh builds the binaries and gives them")
	}
	if s.reps < 1 || s.during < 100*time.Millisecond {
		return s, errors.New("-reps must be at least 1 and -for at least 100ms")
	}
	return s, nil
}
