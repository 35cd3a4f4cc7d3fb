package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	natsStream   = "JOBS"
	natsSubject  = "jobs"
	natsConsumer = "worker"
	// natsAcks is how many messages the worker acknowledges at a time.
	natsAcks = 256
)

// natsCluster is three servers, a stream of three replicas, and a process that works.
type natsCluster struct {
	dir     string
	urls    string
	servers []*process
	worker  *process
	counts  net.Conn // the worker says how many it has done
	done    atomic.Int64
}

// startNATS starts it as durable as muster is: each server syncs before it says that it has a message.
func startNATS(ctx context.Context, s settings) (*natsCluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	dir, err := os.MkdirTemp(s.dir, "muster-bench-")
	if err != nil {
		return nil, err
	}
	c := &natsCluster{dir: dir}
	if err := c.startServers(ctx, s.nats); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *natsCluster) startServers(ctx context.Context, server string) error {
	const servers = 3
	ports, err := freePorts(2 * servers)
	if err != nil {
		return err
	}
	var urls, routes []string
	for i := range servers {
		urls = append(urls, "nats://"+ports[i])
		routes = append(routes, "nats://"+ports[servers+i])
	}
	c.urls = strings.Join(urls, ",")
	for i := range servers {
		name := fmt.Sprintf("n%d", i+1)
		text := fmt.Sprintf("server_name: %s\nlisten: %s\njetstream { store_dir: %s, sync_interval: always }\ncluster { name: bench, listen: %s, routes: [%s] }\n",
			name, ports[i], filepath.Join(c.dir, name), ports[servers+i], strings.Join(routes, ", "))
		file := filepath.Join(c.dir, name+".conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		p, err := start(c.dir, name, nil, server, "-c", file)
		if err != nil {
			return err
		}
		c.servers = append(c.servers, p)
		if err := listening(ctx, p, ports[i]); err != nil {
			return err
		}
	}
	if err := c.createStream(ctx); err != nil {
		return err
	}
	return c.startWorker(ctx)
}

func (c *natsCluster) createStream(ctx context.Context) error {
	nc, err := nats.Connect(c.urls, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	for {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		stream, err := js.CreateOrUpdateStream(asking, jetstream.StreamConfig{
			Name: natsStream, Subjects: []string{natsSubject}, Storage: jetstream.FileStorage, Replicas: 3,
			Retention: jetstream.WorkQueuePolicy,
		})
		if err == nil {
			_, err = stream.CreateOrUpdateConsumer(asking, jetstream.ConsumerConfig{
				Durable: natsConsumer, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 20000,
			})
		}
		cancel()
		if err == nil {
			return pause(ctx, time.Second) // its leaders settle
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return fmt.Errorf("NATS takes no stream of three replicas: %w", err)
		}
	}
}

func (c *natsCluster) startWorker(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // it takes one connection
	if c.worker, err = startPart(c.dir, "worker", "nats-worker", l.Addr().String()+" "+c.urls); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	if c.counts, err = l.Accept(); err != nil {
		return fmt.Errorf("the worker for NATS does not come: %w", err)
	}
	go func() {
		in := bufio.NewReader(c.counts)
		for {
			var n [8]byte
			if _, err := io.ReadFull(in, n[:]); err != nil {
				return
			}
			c.done.Store(int64(binary.BigEndian.Uint64(n[:])))
		}
	}()
	return nil
}

func (c *natsCluster) stop() {
	if c.counts != nil {
		_ = c.counts.Close() // nothing more is to be said
	}
	if c.worker != nil {
		c.worker.stop()
	}
	for _, p := range c.servers {
		p.stop()
	}
	_ = os.RemoveAll(c.dir) //nolint:gosec // a directory for temporary files
}

// workForNATS takes messages, and acknowledges each so that it knows that the servers have that.
func workForNATS(address string) error {
	address, urls, _ := strings.Cut(address, " ")
	nc, err := nats.Connect(urls)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx := context.Background()
	consumer, err := js.Consumer(ctx, natsStream, natsConsumer)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	seen := map[uint64]bool{} // a message that comes twice counts once
	acks := make(chan struct{}, natsAcks)
	_, err = consumer.Consume(func(m jetstream.Msg) {
		acks <- struct{}{}
		go func() {
			defer func() { <-acks }()
			meta, wrong := m.Metadata()
			if wrong != nil || m.DoubleAck(ctx) != nil {
				return // it comes again
			}
			mu.Lock()
			seen[meta.Sequence.Stream] = true
			mu.Unlock()
		}()
	}, jetstream.PullMaxMessages(1000))
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", address) //nolint:noctx,gosec // the other side waits for it
	if err != nil {
		return err
	}
	for {
		mu.Lock()
		n := len(seen)
		mu.Unlock()
		if _, err := conn.Write(binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
			return nil //nolint:nilerr // the measurement is over
		}
		time.Sleep(time.Millisecond)
	}
}

// measureNATS has clients publish durably, each waiting for the answer, and a worker take and finish what they publish.
func measureNATS(ctx context.Context, s settings, l load) (sample, error) {
	c, err := startNATS(ctx, s)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	warm, _, err := c.publish(ctx, l, warmUp, 0)
	if err != nil {
		return nil, err
	}
	t, took, err := c.publish(ctx, l, s.during, int64(warm.tasks()))
	if err != nil {
		return nil, err
	}
	return sample{rate: float64(t.tasks()) / took.Seconds(), p50: t.median()}, nil
}

// publish publishes for a time and waits until all that was published is done.
func (c *natsCluster) publish(ctx context.Context, l load, d time.Duration, before int64) (*tally, time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	connections := make([]jetstream.JetStream, l.clients)
	for i := range connections {
		nc, err := nats.Connect(c.urls)
		if err != nil {
			return nil, 0, err
		}
		defer nc.Close() //nolint:revive // all of them when it is over
		if connections[i], err = jetstream.New(nc); err != nil {
			return nil, 0, err
		}
	}
	var mu sync.Mutex
	var sent atomic.Int64
	all := &tally{}
	began := time.Now()
	end := began.Add(d)
	var clients sync.WaitGroup
	for i, js := range connections {
		clients.Go(func() {
			t := &tally{}
			payload := []byte(single(i % variants))
			for ctx.Err() == nil && time.Now().Before(end) {
				// What waits is bounded, as it is with muster by its slots.
				if sent.Load()-(c.done.Load()-before) > int64(4*l.clients+64) {
					time.Sleep(200 * time.Microsecond)
					continue
				}
				asked := time.Now()
				ack, err := js.Publish(ctx, natsSubject, payload)
				if err != nil {
					cancel(fmt.Errorf("NATS refuses a message: %w", err))
					return
				}
				sent.Add(1)
				t.waits = append(t.waits, time.Since(asked))
				t.ids[i%variants] = append(t.ids[i%variants], ack.Sequence)
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(t)
		})
	}
	clients.Wait()
	want := before + sent.Load()
	for c.done.Load() < want && ctx.Err() == nil {
		_ = pause(ctx, time.Millisecond) // ctx is asked
	}
	took := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		return nil, 0, fmt.Errorf("NATS, with %d of %d messages done: %w", c.done.Load(), want, err)
	}
	if n := c.done.Load(); n != want {
		return nil, 0, fmt.Errorf("NATS has done %d messages where %d were published", n, want)
	}
	return all, took, nil
}
