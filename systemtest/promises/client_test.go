package promises_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/simnet"
)

// user is a client on a host, with a history.
type user struct {
	w       *world
	host    string
	process *simnet.Process
	http    *http.Client
	api     *client.Client // of all masters
	tasks   atomic.Int64   // submitted so far
}

// user puts a client on a host of its own.
func (w *world) user(host string) *user {
	w.t.Helper()
	u := &user{w: w, host: host, process: w.net.Start(host)}
	u.http = &http.Client{
		Transport:     &http.Transport{DialContext: u.process.Dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	u.api = u.clientOf("http://m1:80", "http://m2:80", "http://m3:80")
	return u
}

func (u *user) leave() { u.process.Crash() }

// of returns a client that knows the given masters only, and follows no redirect
// to others that it can't reach.
func (u *user) of(masters ...*master) *client.Client {
	u.w.t.Helper()
	var urls []string
	for _, m := range masters {
		urls = append(urls, m.url())
	}
	return u.clientOf(urls...)
}

func (u *user) clientOf(urls ...string) *client.Client {
	u.w.t.Helper()
	c, err := client.New(client.Config{Addresses: urls, HTTPClient: u.http})
	if err != nil {
		u.w.t.Fatal(err)
	}
	return c
}

// job is a task, how it must end, and the key that it is submitted with.
type job struct {
	key, expression string
	kind            string // empty: an expression
	want            evidence.Want
	timeout         time.Duration // of one execution; 0: the default
	maxTries        uint32        // 0: the default
	queued          bool          // it waits for a free slot
	priority        int
	notBefore       string
	deadline        string
	backoff         string
	requires        client.Labels
}

// sleeping is a job that takes d and results in a number of its own.
func (u *user) sleeping(d time.Duration) job {
	n := u.tasks.Add(1)
	return job{
		key:        fmt.Sprintf("%s-%d", u.host, n),
		expression: fmt.Sprintf("sleep(%g) + %d", d.Seconds(), n),
		want:       evidence.Want{Outcome: client.Succeeded, Result: fmt.Sprint(d.Seconds() + float64(n))},
	}
}

// job is one with the given expression.
func (u *user) job(expression string, want evidence.Want) job {
	return job{key: fmt.Sprintf("%s-%d", u.host, u.tasks.Add(1)), expression: expression, want: want}
}

// try submits a job once with the given client; what comes back goes into the
// history.
func (u *user) try(ctx context.Context, with *client.Client, j job) (client.Submitted, error) {
	u.w.seen.Submitting(j.key, j.expression, j.want)
	s := client.Submission{
		Kind: j.kind, Expression: j.expression, TimeoutMS: j.timeout.Milliseconds(), MaxTries: j.maxTries, Priority: j.priority,
		NotBefore: j.notBefore, Deadline: j.deadline, Retry: client.Retry{Backoff: j.backoff}, Requires: j.requires,
	}
	if j.queued {
		s.WhenFull = "queue"
	}
	answer, err := with.Submit(ctx, s, client.SubmitOptions{Key: j.key, Explain: true})
	switch {
	case err == nil:
		u.w.seen.Acknowledged(j.key, answer.Task.ID)
		u.w.seen.Saw(answer.Task)
	case code(err) != client.CodeOutcomeUnknown && code(err) != client.CodeInternal:
		u.w.seen.Refused(j.key, err.Error()) // whatever else it is, it says that nothing happened
	}
	return answer, err
}

// put submits a job until it is acknowledged.
func (u *user) put(j job) client.Submitted {
	u.w.t.Helper()
	var answer client.Submitted
	u.w.await("the acknowledgement of "+j.key, func(ctx context.Context) (err error) {
		answer, err = u.try(ctx, u.api, j)
		return err
	})
	return answer
}

// submit submits a task that takes d until it is acknowledged, and returns it.
func (u *user) submit(d time.Duration) client.Task {
	u.w.t.Helper()
	return u.put(u.sleeping(d)).Task
}

// started is a submit that goes on while the story does.
type started struct {
	job    job
	answer client.Submitted
	err    error
	done   chan struct{} // closed when answer and err are valid
}

// start submits a job, with the given client, in the background: once, and at
// most for d.
func (u *user) start(with *client.Client, j job, d time.Duration) *started {
	s := &started{job: j, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		s.answer, s.err = u.try(ctx, with, j)
	}()
	return s
}

// wait waits for the task to be done, at any master.
func (u *user) wait(id uint64) client.Task {
	u.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	t, err := u.api.Wait(ctx, id)
	if err != nil {
		u.w.t.Fatalf("wait for task %d: %v", id, err)
	}
	u.w.seen.Saw(t)
	return t
}

// code returns the refusal's code, or "".
func code(err error) client.Code {
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return refused.Code
	}
	return ""
}
