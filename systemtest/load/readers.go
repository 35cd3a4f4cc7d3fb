package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"muster/systemtest/masters"
)

// readers measures what readers of events cost those who submit.
func readers(ctx context.Context, s settings) (err error) {
	c, err := startCluster(ctx, s, "cluster")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	_ = submitAtRate(ctx, c.URLs, s.rate, s.calm) // warms up
	calm := submitAtRate(ctx, c.URLs, s.rate, max(s.calm, s.load/2))
	sayf("%d submits a second, no readers\n%s", s.rate, calm)

	watching, end := context.WithCancel(ctx)
	defer end()
	streams := make([]reader, s.clients)
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() { streams[i].follow(watching, c.URLs[i%len(c.URLs)]) })
	}
	if err := masters.Pause(ctx, s.calm/2); err != nil { // all are there
		return err
	}
	before, err := c.term(ctx, s.limit)
	if err != nil {
		return err
	}
	seenBefore := counts(streams)
	u := new(usage)
	all.Go(func() { u.watch(watching, c) })
	loaded := submitAtRate(ctx, c.URLs, s.rate, s.load)
	after, err := c.term(ctx, s.limit)
	if err != nil {
		return err
	}
	seen := counts(streams)
	end()
	all.Wait()
	sayf("%d submits a second, %d readers of all events, for %s\n%s", s.rate, s.clients, s.load, loaded)
	for _, q := range []float64{.5, .9, .99} {
		was, is := calm.quantile(accepted, q), loaded.quantile(accepted, q)
		sayf("  p%.0f of accepted: %s without, %s with readers (%+.0f %%)", 100*q, round(was), round(is), 100*(float64(is)/float64(was)-1))
	}
	for i := range seen {
		seen[i] -= seenBefore[i]
	}
	slices.Sort(seen)
	cut, refused := int64(0), int64(0)
	for i := range streams {
		cut, refused = cut+streams[i].cut.Load(), refused+streams[i].refused.Load()
	}
	sayf("  events a second that a reader got: least %.0f, median %.0f, most %.0f\n  readers cut: %d, refused: %d",
		float64(seen[0])/s.load.Seconds(), float64(seen[len(seen)/2])/s.load.Seconds(), float64(seen[len(seen)-1])/s.load.Seconds(), cut, refused)
	sayf("  elections: %d\n  %s", after-before, u)
	return ctx.Err()
}

func counts(streams []reader) []int64 {
	out := make([]int64, len(streams))
	for i := range streams {
		out[i] = streams[i].events.Load()
	}
	return out
}

// submitAtRate submits at a rate, whatever becomes of it. A submit that takes longer
// than others does not hold those up that follow.
func submitAtRate(ctx context.Context, urls []string, rate int, d time.Duration) *tally {
	const clients = 64
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	t := newTally()
	due := make(chan time.Time, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			c := &client{urls: urls, at: i}
			defer c.hangUp()
			for began := range due {
				what, err := c.submit(ctx)
				if what == redirect { // the first time, and after an election
					what, err = c.submit(ctx)
				}
				if err != nil {
					what = broken
					c.hangUp()
				}
				t.add(what, time.Since(began))
			}
		})
	}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case now := <-tick.C:
			select {
			case due <- now:
			default:
				t.add("not sent in time", 0)
			}
		case <-ctx.Done():
		}
	}
	close(due)
	all.Wait()
	t.end()
	return t
}

// reader follows all events of a master, and comes back when it is cut.
type reader struct {
	events, cut, refused atomic.Int64
}

func (r *reader) follow(ctx context.Context, master string) {
	u, err := url.Parse(master)
	if err != nil {
		return
	}
	for ctx.Err() == nil {
		err := r.read(ctx, u.Host)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRefused):
			r.refused.Add(1)
		default:
			r.cut.Add(1)
		}
		_ = masters.Pause(ctx, time.Second)
	}
}

var errRefused = errors.New("the reader was refused")

func (r *reader) read(ctx context.Context, host string) error {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	if _, err := fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", host); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	n, err := io.ReadAtLeast(conn, buf, len("HTTP/1.1 200"))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(buf, []byte("HTTP/1.1 200")) || bytes.Contains(buf[:n], []byte("retry: ")) {
		return errRefused
	}
	for {
		if n, err = conn.Read(buf); err != nil {
			return err
		}
		// A few that two reads divide are missed.
		r.events.Add(int64(bytes.Count(buf[:n], []byte("event: task"))))
	}
}
