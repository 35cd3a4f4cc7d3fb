package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/systemtest/masters"
)

// settings are the command's flags.
type settings struct {
	slaves []int
	held   int
	atOnce int
	muster string
	idle   time.Duration
	limit  time.Duration
	keep   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var s settings
	counts := flag.String("slaves", "10,1500,3000,10000", "numbers of slaves, each measured with a cluster of its own")
	flag.IntVar(&s.held, "held", 100, "slaves that have a task while the leader is killed, at most")
	flag.IntVar(&s.atOnce, "at-once", 256, "slaves that register at the same time, at most")
	flag.StringVar(&s.muster, "muster", "", "the muster to measure (default: built from the source here)")
	flag.DurationVar(&s.idle, "idle", 10*time.Second, "how long the idle leader is watched")
	flag.DurationVar(&s.limit, "limit", time.Minute, "bound of each phase")
	flag.BoolVar(&s.keep, "keep", false, "keep the directory with the masters' data and logs")
	flag.Parse()
	err := s.parse(*counts)
	if err == nil {
		err = run(ctx, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stopped above
	}
}

func (s *settings) parse(counts string) error {
	for text := range strings.SplitSeq(counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxSlaves {
			return fmt.Errorf("-slaves: %q is not a number from 1 to %d", text, maxSlaves)
		}
		s.slaves = append(s.slaves, n)
	}
	return nil
}

func run(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "muster-scale-")
	if err != nil {
		return err
	}
	if s.keep {
		fmt.Fprintln(os.Stderr, "data and logs are in", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if s.muster == "" {
		s.muster = filepath.Join(dir, "muster")
		if err := masters.Build(ctx, s.muster); err != nil {
			return err
		}
	}
	fmt.Println(header) //nolint:forbidigo // it is the command's own output
	for _, n := range s.slaves {
		f, err := measure(ctx, s, filepath.Join(dir, strconv.Itoa(n)), n)
		fmt.Println(f) //nolint:forbidigo // it is the command's own output
		if err != nil {
			return fmt.Errorf("%d slaves: %w", n, err)
		}
	}
	return nil
}
