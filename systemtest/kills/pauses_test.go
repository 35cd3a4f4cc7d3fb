package kills_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// A leader that was frozen wakes and believes that it still leads, until it has
// looked at the clock or heard of the next term.

// TestALeaderThatWakesShowsNothingOld freezes the leader, has another one take a
// write, and wakes the first: questions wait for it on its connections, each asked
// after the write was acknowledged. No linearizable read may miss the write. Local
// reads beside them show that the moment was hit: some are answered with an old
// state by a master that names itself as the leader.
func TestALeaderThatWakesShowsNothingOld(t *testing.T) {
	c := newSystem(t)
	want, rounds, believed, strong := 2*series(t), 0, 0, 0
	for rounds < want || believed == 0 && rounds < 4*want {
		rounds++
		old, term := c.awaitReady()
		idle := c.keepWriting(old)
		old.signal(syscall.SIGSTOP)
		c.awaitSuccessor(old, term)
		written := c.write(old)
		w := c.awaken(old, map[string]int{locally: 32, strongly: 96})
		idle()
		for _, r := range w.reads {
			c.seen.Read(r.Read)
			if r.Linearizable {
				strong++
			}
		}
		if w.staleAsLeader(written, old.url) {
			believed++
		}
	}
	for _, wrong := range c.seen.Check() { // there are no dumps: it is about reads and keys
		t.Error(wrong)
	}
	t.Logf("in %d of %d rounds it answered a local read as the leader that it had been; %d linearizable reads were answered", believed, rounds, strong)
	if believed == 0 || strong == 0 {
		t.Error("the moment was missed each time")
	}
}

// keepWriting keeps a leader's Raft at its disk, with the entries of linearizable
// reads, until it is ended: one that is frozen there wakes there, and has to finish
// the write before it looks at the clock.
func (c *cluster) keepWriting(m *master) (end func()) {
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	ctx, cancel := context.WithCancel(context.Background())
	var asking, begun sync.WaitGroup
	for range 8 {
		begun.Add(1)
		asking.Go(func() {
			began := sync.OnceFunc(begun.Done)
			for ctx.Err() == nil {
				if _, ok := c.show(ctx, web, m, strongly); ok {
					began()
				}
			}
			began()
		})
	}
	begun.Wait()
	return func() {
		cancel()
		asking.Wait()
		web.CloseIdleConnections()
	}
}

// write submits a task at the masters that are not frozen, and returns its number.
func (c *cluster) write(frozen *master) uint64 {
	c.t.Helper()
	var urls []string
	for _, m := range c.masters {
		if m != frozen {
			urls = append(urls, m.url)
		}
	}
	api, err := client.New(client.Config{Addresses: urls})
	if err != nil {
		c.t.Fatal(err)
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit(c.t))
	defer cancel()
	key := fmt.Sprintf("written-%d", time.Now().UnixNano())
	c.seen.Submitting(key, "1 + 1", evidence.Want{})
	answer, err := api.Submit(ctx, client.Submission{Expression: "1 + 1"}, client.SubmitOptions{Key: key})
	if err != nil {
		c.t.Fatal(err)
	}
	c.seen.Acknowledged(key, answer.Task.ID)
	return answer.Task.ID
}

// awaitSuccessor waits until another master leads in a later term.
func (c *cluster) awaitSuccessor(old *master, term uint64) {
	c.t.Helper()
	c.await("a successor of "+old.id, func(ctx context.Context) error {
		for _, m := range c.masters {
			if m == old {
				continue
			}
			if s, err := c.api.Status(ctx, m.url, false); err == nil && s.Role == client.RoleLeader && s.Term > term {
				return nil
			}
		}
		return fmt.Errorf("nobody leads after term %d", term)
	})
}

// awakening is what a master answered when it woke.
type awakening struct {
	mu    sync.Mutex
	reads []shown
}

// shown is an answer to a read.
type shown struct {
	evidence.Read

	leader string // that the master named
}

// How it is asked.
const (
	locally  = "limit=1"
	strongly = "limit=1&consistency=linearizable&forward=true"
)

// awake is how long a master that woke is asked: longer than it can believe that
// it leads.
const awake = 300 * time.Millisecond

// awaken asks a frozen master so many questions of each kind at once, wakes it
// when all of them are on their way, and goes on asking for a moment.
func (c *cluster) awaken(m *master, queries map[string]int) *awakening {
	c.t.Helper()
	a := &awakening{}
	web := &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 256},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer web.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), limit(c.t))
	defer cancel()
	over := make(chan struct{})
	var sent, asking sync.WaitGroup
	for query, readers := range queries {
		for range readers {
			sent.Add(1)
			wrote := sync.OnceFunc(sent.Done)
			first := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { wrote() }})
			asking.Go(func() {
				a.add(c.show(first, web, m, query))
				for !isOver(over) {
					a.add(c.show(ctx, web, m, query))
				}
			})
		}
	}
	sent.Wait()
	m.signal(syscall.SIGCONT)
	time.AfterFunc(awake, func() { close(over) })
	asking.Wait()
	return a
}

func (a *awakening) add(r shown, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ok {
		a.reads = append(a.reads, r)
	}
}

func isOver(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// show reads at one master, once. Another answer than a state proves nothing: it is
// that of a master which does not lead.
func (c *cluster) show(ctx context.Context, web *http.Client, m *master, query string) (r shown, ok bool) {
	r.Read = evidence.Read{Master: m.id, Linearizable: strings.Contains(query, "linearizable"), Began: time.Now()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"/v1/tasks?"+query, http.NoBody)
	if err != nil {
		c.t.Error(err)
		return r, false
	}
	resp, err := web.Do(req)
	if err != nil {
		return r, false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return r, false
	}
	var page client.TaskPage
	if err := json.Unmarshal(body, &page); err != nil {
		c.t.Errorf("%s answers %q: %v", m.id, body, err)
		return r, false
	}
	r.Ended, r.Counts, r.leader = time.Now(), page.Counts, resp.Header.Get("Muster-Leader")
	if r.Index, err = strconv.ParseUint(resp.Header.Get("Muster-Index"), 10, 64); err != nil {
		c.t.Errorf("%s answers without an index: %v", m.id, err)
		return r, false
	}
	return r, true
}

// staleAsLeader reports whether a local read missed a task and was answered by a
// master that named itself as the leader.
func (a *awakening) staleAsLeader(id uint64, url string) bool {
	for _, r := range a.reads {
		if !r.Linearizable && r.Counts.Submitted < id && r.leader == url {
			return true
		}
	}
	return false
}
