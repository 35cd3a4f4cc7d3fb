package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"muster/task"
)

// BenchmarkCalls is what the API itself costs, over a Backend that answers at once and
// without net/http's part. "bare" is a gin handler that binds the same body with
// encoding/json and answers as much.
func BenchmarkCalls(b *testing.B) {
	for _, call := range hotCalls() {
		b.Run(call.name, func(b *testing.B) {
			c := newCaller(b, New(Config{Backend: newInstant(), SelfURL: "http://m1"}), call)
			b.ReportAllocs()
			for b.Loop() {
				c.call()
			}
		})
	}
	b.Run("bare", func(b *testing.B) {
		c := newCaller(b, bareGin(), hotCalls()[0])
		b.ReportAllocs()
		for b.Loop() {
			c.call()
		}
	})
}

// hotCall is a call that masters answer many times a second.
type hotCall struct {
	name, method, path, body string
}

func hotCalls() []hotCall {
	const one = `{"expression":"2+3*x","parameters":{"x":4}}`
	var results strings.Builder
	for i := range 64 {
		results.WriteString(`,{"id":` + strconv.Itoa(i+1) + `,"attempt":1,"outcome":"succeeded","result":"14","result_type":"number"}`)
	}
	return []hotCall{
		{"submit", http.MethodPost, "/v1/tasks", one},
		{"batch of 1000", http.MethodPost, "/v1/tasks/batch", `{"tasks":[` + strings.Repeat(","+one, 1000)[1:] + `]}`},
		{"results of 64", http.MethodPost, "/v1/results", `{"slave":"slave-1","incarnation":"i-1","free":3,"slots":64,"counter":7,"results":[` + results.String()[1:] + `]}`},
		{"get", http.MethodGet, "/v1/tasks/1", ""},
		{"list of 100", http.MethodGet, "/v1/tasks?limit=100", ""},
	}
}

// hotCaller makes one call again and again, with what a connection of net/http would
// use again, too.
type hotCaller struct {
	tb      testing.TB
	handler http.Handler
	request *http.Request
	body    reread
	answer  discard
}

func newCaller(tb testing.TB, h http.Handler, call hotCall) *hotCaller {
	tb.Helper()
	c := &hotCaller{tb: tb, handler: h, request: request(call.method, call.path, call.body), answer: discard{header: http.Header{}}}
	c.request.Host = "127.0.0.1:8101"
	c.body.text = []byte(call.body)
	return c
}

func (c *hotCaller) call() {
	c.body.Reset(c.body.text)
	c.request.Body = &c.body
	clear(c.answer.header)
	if c.handler.ServeHTTP(&c.answer, c.request); c.answer.status > http.StatusCreated {
		c.tb.Fatal(c.answer.status)
	}
}

// reread is a body.
type reread struct {
	bytes.Reader

	text []byte
}

func (*reread) Close() error { return nil }

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { return io.Discard.Write(b) }

// instant is a Backend that does nothing, at once.
type instant struct {
	*fakeMaster

	submitted Submitted
	all       []SubmitResult
	verdicts  []task.Verdict
	state     instantView
}

func newInstant() *instant {
	t := task.Task{
		ID: 1, Status: task.InProgress, Slave: "slave-1", Incarnation: "i-1", Attempt: 1, Tries: 1, SubmittedAt: 1765432100123, StartedAt: 1765432100125, Index: 9,
		Spec: task.Spec{
			Kind: task.KindExpression, Expression: "2+3*x", MaxTries: 3, TimeoutMS: 300000, Idempotent: true,
			Parameters: []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: "4"}}},
		},
	}
	done := t
	done.Status, done.Outcome, done.Result, done.FinishedAt = task.Done, task.Succeeded, task.Value{Type: task.Number, Text: "14"}, 1765432100129
	m := &instant{fakeMaster: newLeader("http://m1"), submitted: Submitted{Task: t}}
	for range 1000 {
		m.all = append(m.all, SubmitResult{Submitted: m.submitted})
	}
	for i := range 64 {
		m.verdicts = append(m.verdicts, task.Verdict{ID: task.ID(i + 1), Attempt: 1})
	}
	m.state.task = done
	for range 100 {
		m.state.page.Tasks = append(m.state.page.Tasks, done)
	}
	return m
}

func (m *instant) Leader() (string, bool)                                { return m.url, true }
func (m *instant) Cluster() string                                       { return "c-1" }
func (m *instant) Read(context.Context, ReadOptions) (View, error)       { return &m.state, nil }
func (m *instant) Submit(context.Context, Submission) (Submitted, error) { return m.submitted, nil }
func (m *instant) SubmitAll(_ context.Context, subs []Submission) ([]SubmitResult, error) {
	return m.all[:len(subs)], nil
}

func (m *instant) Results(_ context.Context, r task.Report) ([]task.Verdict, error) {
	return m.verdicts[:len(r.Results)], nil
}

// instantView is always the same.
type instantView struct {
	fakeView

	task task.Task
	page task.Page
}

func (v *instantView) Task(task.ID) (task.Task, bool) { return v.task, true }
func (v *instantView) List(task.Query) task.Page      { return v.page }

// bareGin is a server with a handler of a few lines.
func bareGin() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.POST("/v1/tasks", func(c *gin.Context) {
		var in struct {
			Expression string         `json:"expression"`
			Parameters map[string]any `json:"parameters"`
		}
		if err := c.ShouldBindJSON(&in); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusCreated, gin.H{"id": 1, "expression": in.Expression, "parameters": in.Parameters, "status": "pending"})
	})
	return g
}
