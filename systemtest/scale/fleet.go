package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"muster/api/client"
	"muster/slave"
	"muster/task"
)

// The kinds of task that the slaves run.
const (
	instant = "instant"
	forever = "forever"
)

// maxSlaves is how many addresses doors gives out.
const maxSlaves = 60_000

// fewAtOnce is a slave's way to the masters. No more slaves register at the same
// time than there is room for: here they share their processors with the masters,
// and ten thousand at once would leave nothing to measure.
type fewAtOnce struct {
	*client.Client

	atOnce chan struct{}
}

// RegisterSlave registers a slave when there is room.
func (m fewAtOnce) RegisterSlave(ctx context.Context, r task.Registration) (cluster string, err error) {
	select {
	case m.atOnce <- struct{}{}:
		defer func() { <-m.atOnce }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return m.Client.RegisterSlave(ctx, r)
}

// fleet is the slaves: real ones, but all in this process.
type fleet struct {
	slaves []*slave.Slave
	doors  *doors
	http   *http.Client
	atOnce chan struct{}

	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // the slaves' life, ended by close
	runs   sync.WaitGroup
}

func newFleet(n, atOnce int, urls []string) (*fleet, error) {
	d, err := openDoors(n)
	if err != nil {
		return nil, err
	}
	f := &fleet{doors: d, atOnce: make(chan struct{}, atOnce)}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	// Like a slave's own, but a few connections serve all that rest.
	f.http = &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     10 * time.Second,
	}}
	for i := range n {
		s, err := f.newSlave(i, urls)
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		f.slaves = append(f.slaves, s)
	}
	return f, nil
}

func (f *fleet) newSlave(i int, urls []string) (*slave.Slave, error) {
	c, err := client.New(client.Config{Addresses: urls, HTTPClient: f.http})
	if err != nil {
		return nil, err
	}
	return slave.New(slave.Config{
		Name: fmt.Sprintf("slave-%05d", i), Listener: f.doors.listeners[i], Advertise: f.doors.url(i), Masters: fewAtOnce{c, f.atOnce},
		Kinds: []slave.Kind{
			{Name: instant, Idempotent: true, Handle: func(context.Context, task.Order) (task.Value, error) { return task.Value{}, nil }},
			{Name: forever, Idempotent: true, Handle: func(ctx context.Context, _ task.Order) (task.Value, error) {
				<-ctx.Done()
				return task.Value{}, ctx.Err()
			}},
		},
		DrainTimeout: time.Millisecond,
	})
}

// start starts all slaves at once.
func (f *fleet) start() {
	f.runs.Go(f.doors.serve)
	for _, s := range f.slaves {
		f.runs.Go(func() {
			_ = s.Run(f.ctx) // how it ends says that its tasks were not done
		})
	}
}

// close stops the slaves, without goodbyes: their masters are gone, or will be.
func (f *fleet) close() {
	f.cancel()
	_ = f.doors.close()
	f.http.CloseIdleConnections()
	f.runs.Wait()
}
