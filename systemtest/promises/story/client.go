package story

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

// User is a client on a host, with a history.
type User struct {
	W       *World
	host    string
	process *simnet.Process
	HTTP    *http.Client
	API     *client.Client // of all masters
	Tasks   atomic.Int64   // submitted so far
}

// User puts a client on a host of its own.
func (w *World) User(host string) *User {
	w.T.Helper()
	u := &User{W: w, host: host, process: w.Net.Start(host)}
	u.HTTP = &http.Client{
		Transport:     &http.Transport{DialContext: u.process.Dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	u.API = u.clientOf("http://m1:80", "http://m2:80", "http://m3:80")
	return u
}

// Leave ends the client, and its connections with it.
func (u *User) Leave() { u.process.Crash() }

// Of returns a client that knows the given masters only, and follows no redirect
// to others that it can't reach.
func (u *User) Of(masters ...*Master) *client.Client {
	u.W.T.Helper()
	var urls []string
	for _, m := range masters {
		urls = append(urls, m.URL())
	}
	return u.clientOf(urls...)
}

func (u *User) clientOf(urls ...string) *client.Client {
	u.W.T.Helper()
	c, err := client.New(client.Config{Addresses: urls, HTTPClient: u.HTTP})
	if err != nil {
		u.W.T.Fatal(err)
	}
	return c
}

// Job is a task, how it must end, and the key that it is submitted with.
type Job struct {
	Key, Expression string
	Kind            string // empty: an expression
	Want            evidence.Want
	Timeout         time.Duration // of one execution; 0: the default
	MaxTries        uint32        // 0: the default
	Queued          bool          // it waits for a free slot
	Priority        int
	NotBefore       string
	Deadline        string
	Backoff         string
	Requires        client.Labels
}

// Sleeping is a job that takes d and results in a number of its own.
func (u *User) Sleeping(d time.Duration) Job {
	n := u.Tasks.Add(1)
	return Job{
		Key:        fmt.Sprintf("%s-%d", u.host, n),
		Expression: fmt.Sprintf("sleep(%g) + %d", d.Seconds(), n),
		Want:       evidence.Want{Outcome: client.Succeeded, Result: fmt.Sprint(d.Seconds() + float64(n))},
	}
}

// Job is one with the given expression.
func (u *User) Job(expression string, want evidence.Want) Job {
	return Job{Key: fmt.Sprintf("%s-%d", u.host, u.Tasks.Add(1)), Expression: expression, Want: want}
}

// Try submits a job once with the given client; what comes back goes into the
// history.
func (u *User) Try(ctx context.Context, with *client.Client, j Job) (client.Submitted, error) {
	u.W.Seen.Submitting(j.Key, j.Expression, j.Want)
	s := client.Submission{
		Kind: j.Kind, Expression: j.Expression, TimeoutMS: j.Timeout.Milliseconds(), MaxTries: j.MaxTries, Priority: j.Priority,
		NotBefore: j.NotBefore, Deadline: j.Deadline, Retry: client.Retry{Backoff: j.Backoff}, Requires: j.Requires,
	}
	if j.Queued {
		s.WhenFull = "queue"
	}
	answer, err := with.Submit(ctx, s, client.SubmitOptions{Key: j.Key, Explain: true})
	switch {
	case err == nil:
		u.W.Seen.Acknowledged(j.Key, answer.Task.ID)
		u.W.Seen.Saw(answer.Task)
	case Code(err) != client.CodeOutcomeUnknown && Code(err) != client.CodeInternal:
		u.W.Seen.Refused(j.Key, err.Error()) // whatever else it is, it says that nothing happened
	}
	return answer, err
}

// Put submits a job until it is acknowledged.
func (u *User) Put(j Job) client.Submitted {
	u.W.T.Helper()
	var answer client.Submitted
	u.W.Await("the acknowledgement of "+j.Key, func(ctx context.Context) (err error) {
		answer, err = u.Try(ctx, u.API, j)
		return err
	})
	return answer
}

// Submit submits a task that takes d until it is acknowledged, and returns it.
func (u *User) Submit(d time.Duration) client.Task {
	u.W.T.Helper()
	return u.Put(u.Sleeping(d)).Task
}

// Started is a submit that goes on while the story does.
type Started struct {
	Job    Job
	Answer client.Submitted
	Err    error
	Done   chan struct{} // closed when answer and err are valid
}

// Start submits a job, with the given client, in the background: once, and at
// most for d.
func (u *User) Start(with *client.Client, j Job, d time.Duration) *Started {
	s := &Started{Job: j, Done: make(chan struct{})}
	go func() {
		defer close(s.Done)
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		s.Answer, s.Err = u.Try(ctx, with, j)
	}()
	return s
}

// Wait waits for the task to be done, at any master.
func (u *User) Wait(id uint64) client.Task {
	u.W.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	t, err := u.API.Wait(ctx, id)
	if err != nil {
		u.W.T.Fatalf("wait for task %d: %v", id, err)
	}
	u.W.Seen.Saw(t)
	return t
}

// Code returns the refusal's code, or "".
func Code(err error) client.Code {
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return refused.Code
	}
	return ""
}

// SubmitAt submits a task at the given masters until it is acknowledged.
func (u *User) SubmitAt(masters ...*Master) uint64 {
	u.W.T.Helper()
	j, c := u.Sleeping(0), u.Of(masters...)
	var answer client.Submitted
	u.W.Await("the acknowledgement of "+j.Key, func(ctx context.Context) (err error) {
		answer, err = u.Try(ctx, c, j)
		return err
	})
	return answer.Task.ID
}
