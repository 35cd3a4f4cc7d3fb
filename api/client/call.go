package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"muster/api/wire"
	"muster/task"
	"muster/task/baseurl"
	"muster/task/wait"
)

// maxHops bounds the redirects of one attempt. One is usual; more happen while
// leadership moves.
const maxHops = 4

// shunFor is how long a leader is not asked that was named and could not be called.
const shunFor = time.Minute

// lastFor is how long a master is asked after all others to which no connection could
// be made: about as long as it takes to start one again.
const lastFor = 2 * time.Second

// maxAnswer bounds the body of an answer. Masters bound their pages far below it.
const maxAnswer = 256 << 20

// call is one thing to ask for.
type call struct {
	what  string // for errors: "submit a task"
	build func(base string) (*http.Request, error)
	// write: only the leader does it, so it is asked first.
	write bool
	// safe: may be repeated although it may have been done.
	safe bool
	// cluster is the one that the call is for; empty: the client's.
	cluster string
	// anyCluster: whichever cluster answers, and it is not the client's by that.
	anyCluster bool
	// answered, if set, gets the cluster of the master that answered.
	answered func(cluster string)
	// once: one round over the addresses, without a pause; the caller repeats.
	once bool
	// timeout of one request; 0: only the context's.
	timeout time.Duration
	// stream, if set, takes the body of an answer as it comes. Then timeout is
	// for the answer's header, and each read has maxQuiet.
	stream func(header http.Header, body io.Reader)
	// large: the answer may take long to arrive, so timeout is for its header, and
	// each read has maxQuiet.
	large bool
}

// do asks until it is answered, ctx ends, or repeating is not safe. The answer's
// body goes into out.
func (c *Client) do(ctx context.Context, k call, out any) error {
	pause := c.cfg.MinBackoff
	var sum summary
	for {
		sum.noLeader, sum.foreign, sum.own, sum.strays = false, nil, false, 0
		targets := c.targets(k.write)
		for _, target := range targets {
			if err := ctx.Err(); err != nil && sum.last == nil {
				return fmt.Errorf("%s: %w", k.what, err)
			}
			err := c.follow(ctx, target, k, out)
			if err == nil {
				return nil
			}
			if sum.add(k, err) || ctx.Err() != nil {
				return sum.failure(ctx, k)
			}
			c.log.Debug("will ask again", "call", k.what, "address", target, "error", err)
			c.turnFrom(target, err)
			if (k.once || k.write) && CodeOf(err) == task.CodeOverloaded {
				break // the others only lead back to the leader, which has too much to do and said when to come again
			}
		}
		if sum.foreign != nil && !sum.own {
			sum.last, sum.final = sum.foreign, true
			return sum.failure(ctx, k)
		}
		if sum.strays == len(targets) {
			sum.final = true
			return sum.failure(ctx, k)
		}
		if k.once || !wait.Sleep(ctx, max(sum.after, pause/2+rand.N(pause))) { //nolint:gosec // chance, not secrecy
			return sum.failure(ctx, k)
		}
		pause = min(2*pause, c.cfg.MaxBackoff)
	}
}

// summary is what is known of a call that has not been answered yet.
type summary struct {
	last     error
	final    bool
	noLeader bool          // a master of this round said so
	maybe    bool          // an earlier attempt may have been done
	after    time.Duration // pause that a master asked for
	// Of this round: the refusal of a master of another cluster, which may be listed by
	// mistake, and whether one that is meant has spoken.
	foreign *Error
	own     bool
	strays  int // of this round: addresses that are slaves' or Raft ports, by mistake
}

// add takes in a failed attempt and reports whether it is the last.
func (s *summary) add(k call, err error) bool {
	s.last, s.after = err, 0
	if quiet, ok := errors.AsType[*silence](err); ok {
		s.maybe = s.maybe || quiet.sent && k.write
		s.final = quiet.sent && k.write && !k.safe
		return s.final
	}
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		s.final = true
		return true
	}
	if errors.Is(refusal, ErrSlave) || errors.Is(refusal, ErrRaftPort) {
		s.strays++
		return false
	}
	if refusal.Code == task.CodeWrongCluster {
		s.foreign = refusal
		return false
	}
	s.own = true
	switch refusal.Code {
	case task.CodeNoLeader, task.CodeNotLeader:
		s.noLeader = true
	case task.CodeShuttingDown, task.CodeIndexNotReached, task.CodeTooManyExports, task.CodeTooManyStreams:
	case task.CodeNotCaughtUp:
		s.final = k.write // a read goes to a master that shows more
	case task.CodeOverloaded:
		s.after = refusal.RetryAfter
	case task.CodeOutcomeUnknown:
		s.maybe = true
		s.final = !k.safe
	default:
		s.final = true
	}
	return s.final
}

// failure is what a call that ends now ends with.
func (s *summary) failure(ctx context.Context, k call) error {
	quiet, isQuiet := errors.AsType[*silence](s.last)
	var because error
	switch {
	case s.final && !isQuiet && (!s.maybe || !passing(CodeOf(s.last))):
		return fmt.Errorf("%s: %w", k.what, s.last)
	case s.maybe:
		address := ""
		if isQuiet {
			address = quiet.address
		}
		because = unknown(address, s.last)
	case s.noLeader:
		because = fmt.Errorf("%w: %w", ErrNoLeader, s.last)
	case isQuiet:
		because = fmt.Errorf("%w: %w", ErrUnreachable, s.last)
	default:
		because = s.last
	}
	if err := ctx.Err(); err != nil && !errors.Is(because, err) {
		return fmt.Errorf("%s: %w; %w", k.what, because, err)
	}
	return fmt.Errorf("%s: %w", k.what, because)
}

// passing tells the refusals that are about the moment and not about the call: an
// earlier attempt, whose fate is not known, may have met another moment, or, if it
// is still under way to a master, may meet one yet.
func passing(code Code) bool {
	switch code {
	case task.CodeFullCapacity, task.CodeNoSlaveForKind, task.CodeDiskLow, task.CodeMembershipBusy, task.CodeWrongCluster:
		return true
	default:
		return false
	}
}

// follow asks one master, and then whom it names as the leader.
func (c *Client) follow(ctx context.Context, base string, k call, out any) error {
	for range maxHops {
		next, err := c.request(ctx, base, k, out)
		if next == "" {
			return err
		}
		base = next
	}
	return &Error{Code: task.CodeNoLeader, Address: base, Message: "the masters redirect in circles"}
}

// request makes one request. It returns where to ask instead, if told so.
func (c *Client) request(ctx context.Context, base string, k call, out any) (next string, err error) {
	req, err := k.build(base + "/")
	if err != nil {
		return "", fmt.Errorf("make the request: %w", err)
	}
	if cluster := cmp.Or(k.cluster, c.ownCluster(k)); cluster != "" {
		req.Header.Set(headerCluster, cluster)
	}
	var quiet *quietness
	switch {
	case k.stream != nil || k.large:
		ctx, quiet = watch(ctx, k.timeout)
		defer quiet.stop()
	case k.timeout > 0:
		limited, cancel := context.WithTimeout(ctx, k.timeout)
		defer cancel()
		ctx = limited
	}
	trace := connTrace{speaks: &c.traces}
	resp, err := c.http.Do(req.WithContext(trace.in(ctx)))
	if quiet != nil && !quiet.timer.Stop() && err == nil {
		err = context.Cause(ctx)
		_ = resp.Body.Close() // the context ends it
	}
	if err != nil {
		return "", &silence{address: base, cause: err, sent: trace.sent()}
	}
	defer func() { _ = resp.Body.Close() }() // it is read to its end
	if k.stream != nil && resp.StatusCode == http.StatusOK {
		c.note(base, resp, k)
		k.stream(resp.Header, &impatient{body: resp.Body, quiet: quiet})
		return "", nil
	}
	var from io.Reader = resp.Body
	if k.large {
		from = &impatient{body: resp.Body, quiet: quiet}
	}
	body, err := io.ReadAll(io.LimitReader(from, c.maxAnswer+1))
	if err != nil {
		return "", &silence{address: base, cause: fmt.Errorf("read the answer: %w", err), sent: true}
	}
	if int64(len(body)) > c.maxAnswer { // it would be as large the next time, so this is no silence
		return "", fmt.Errorf("%w of %s: it has more than %d MiB; ask for less at once (a lower limit)", ErrTooLarge, base, c.maxAnswer>>20)
	}
	c.note(base, resp, k)
	if k.answered != nil {
		k.answered(resp.Header.Get(headerCluster))
	}
	switch {
	case resp.StatusCode == http.StatusTemporaryRedirect:
		return leaderOf(base, resp)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		var w wire.Error
		if json.Unmarshal(body, &w) != nil || w.Code == "" {
			return "", c.notMaster(ctx, base, resp.StatusCode)
		}
		if resp.Header.Get(headerPort) == portRaft {
			return "", &Error{Status: resp.StatusCode, Code: task.CodeNotFound, Address: base, cause: ErrRaftPort, Message: base + ": " + w.Error}
		}
		if w.Code == task.CodeNotFound { // a slave's code, too, and that of a master that is too old for the call
			if err := c.notMaster(ctx, base, resp.StatusCode); errors.Is(err, ErrSlave) {
				return "", err
			}
		}
		return "", refused(base, resp.StatusCode, resp.Header, w)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return "", &silence{address: base, cause: fmt.Errorf("understand the answer: %w", err), sent: true}
	}
	return "", nil
}

// connTrace tells whether a request can have left: it can't while it waited for a
// connection. A transport that never says so may have sent anything.
type connTrace struct {
	speaks *atomic.Bool // the transport has said so once
	got    atomic.Bool
}

func (t *connTrace) in(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.speaks.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.got.Store(true) },
	})
}

func (t *connTrace) sent() bool { return t.got.Load() || !t.speaks.Load() }

// leaderOf reads a redirect.
func leaderOf(base string, resp *http.Response) (string, error) {
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || u.Host == "" {
		return "", &Error{Status: resp.StatusCode, Code: task.CodeNoLeader, Address: base, Message: "a redirect does not say where to"}
	}
	// The path is the same under the leader's URL, which may have one itself.
	u.RawQuery, u.Fragment = "", ""
	prefix := resp.Header.Get("Muster-Leader")
	if p, err := baseurl.Parse(prefix); err == nil && p.Host == u.Host && p.Scheme == u.Scheme {
		return prefix, nil
	}
	return u.Scheme + "://" + u.Host, nil
}

// note remembers what an answer tells by the way.
func (c *Client) note(base string, resp *http.Response, k call) {
	c.mu.Lock()
	delete(c.away, base)
	c.mu.Unlock()
	if !c.ours(resp, k) {
		return
	}
	if index, err := strconv.ParseUint(resp.Header.Get("Muster-Index"), 10, 64); err == nil {
		for {
			old := c.seen.Load()
			if index <= old || c.seen.CompareAndSwap(old, index) {
				break
			}
		}
	}
	if leader, err := baseURL(resp.Header.Get("Muster-Leader")); err == nil {
		c.mu.Lock()
		shunned := time.Now().Before(c.shunned[leader])
		c.leader = leader
		if shunned {
			c.leader = ""
		}
		c.mu.Unlock()
		if leader != base && !shunned {
			c.log.Debug("the leader is elsewhere", "asked", base, "leader", leader)
		}
	}
}

// targets are the masters to ask, in order: those last that could not be called a
// moment ago.
func (c *Client) targets(write bool) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]string, 0, len(c.addresses)+1)
	if write && c.leader != "" {
		list = append(list, c.leader)
	}
	for i := range c.addresses {
		if a := c.addresses[(c.first+i)%len(c.addresses)]; len(list) == 0 || a != list[0] {
			list = append(list, a)
		}
	}
	now := time.Now()
	isAway := func(a string) int {
		if now.Before(c.away[a]) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b string) int { return isAway(a) - isAway(b) })
	return list
}

// turnFrom lets the next call begin elsewhere than at a master that was of no
// use, and forgets a leader that is silent.
func (c *Client) turnFrom(target string, err error) {
	quiet, _ := errors.AsType[*silence](err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == target || quiet != nil && c.leader == quiet.address {
		c.leader = ""
	}
	if quiet != nil && !quiet.sent {
		now := time.Now()
		over := func(_ string, until time.Time) bool { return now.After(until) }
		maps.DeleteFunc(c.away, over)
		c.away[quiet.address] = now.Add(lastFor)
		if !slices.Contains(c.addresses, quiet.address) {
			maps.DeleteFunc(c.shunned, over)
			c.shunned[quiet.address] = now.Add(shunFor)
		}
	}
	if c.addresses[c.first] == target {
		c.first = (c.first + 1) % len(c.addresses)
	}
}
