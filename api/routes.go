package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// handler answers one call, or returns why not. As a context it uses the
// request's and never gin's own: gin uses that again for another request, while a
// timer may still look at it.
type handler func(c *gin.Context, q *query) error

// route is one line of the table of calls.
type route struct {
	method, path string
	handle       handler
	params       []string // the query parameters that it knows
	traits       traits
}

// maxBody bounds the body of the call.
func (r route) maxBody() int64 {
	if r.traits&batch != 0 {
		return maxBatchBody
	}
	return maxBody
}

// traits are what a call is like.
type traits uint8

const (
	// local: any master answers, unless linearizable is asked for.
	local traits = 0
	// atLeader: only the leader can answer.
	atLeader traits = 1
	// lasting: may last for minutes.
	lasting traits = 2
	// batch: its body may be large, and take longer.
	batch traits = 4
	// submits: brings new tasks, and is shed when there is too much to do.
	submits traits = 8
)

// routes is the table of calls; openapi.yaml describes them.
func (s *server) routes() []route {
	const get, post, remove = http.MethodGet, http.MethodPost, http.MethodDelete
	// What several calls know.
	forWrites := []string{"forward"}
	forReads := []string{"min_index", "consistency", "forward"}
	forSubmit := append([]string{"explain", "wait"}, forWrites...)
	forTask := append([]string{"wait"}, forReads...)
	forLists := append(append([]string{"limit", "cursor", "order"}, taskFilters()...), forReads...)
	forExports := append(append([]string{"order"}, taskFilters()...), forReads...)
	forEvents := append(append([]string{"after", "cluster", "resync", "types"}, taskFilters()...), "forward")
	return []route{
		{post, "/v1/tasks", s.submit, forSubmit, atLeader | submits},
		{post, "/v1/tasks/batch", s.submitBatch, forWrites, atLeader | batch | submits},
		{get, "/v1/tasks", s.listTasks, forLists, local},
		{get, exportPath, s.exportTasks, forExports, local | lasting},
		{get, "/v1/events", s.watchEvents, forEvents, local | lasting},
		{get, "/v1/tasks/:id", s.getTask, forTask, local | lasting},
		{post, "/v1/tasks/:id/cancel", s.cancelTask, forWrites, atLeader},

		{post, "/v1/results", s.reportResults, forWrites, atLeader},
		{post, "/v1/slaves", s.registerSlave, forWrites, atLeader},
		{get, "/v1/slaves", s.listSlaves, forReads, local},
		{post, "/v1/slaves/:name/leave", s.leaveSlave, forWrites, atLeader},
		{post, "/v1/slaves/:name/drain", s.drainSlave, forWrites, atLeader},
		{post, "/v1/slaves/:name/undrain", s.undrainSlave, forWrites, atLeader},
		{post, "/v1/slaves/:name/resize", s.resizeSlave, forWrites, atLeader},
		{remove, "/v1/slaves/:name", s.removeSlave, append([]string{"force"}, forWrites...), atLeader},

		{post, "/join", s.join, forWrites, atLeader | lasting},
		{get, "/v1/masters", s.listMasters, nil, local},
		{remove, "/v1/masters/:id", s.removeMaster, forWrites, atLeader | lasting},
		{post, "/v1/masters/:id/transfer", s.transferLeadership, forWrites, atLeader},

		{get, "/v1/status", s.status, []string{"fingerprint"}, local},
		{get, "/healthz", s.health, nil, local},
		{get, "/readyz", s.readiness, nil, local},
		{get, "/metrics", s.serveMetrics, nil, local},
		{get, "/openapi.yaml", s.specification, nil, local},

		{post, "/submit-task", s.submit, forSubmit, atLeader | submits},
		{get, "/get-tasks", s.listTasksSimply, forLists, local},
		{post, "/register-slave", s.registerSlave, forWrites, atLeader},
	}
}

// serve makes gin's handler of a route.
func (s *server) serve(r route) gin.HandlerFunc {
	if r.traits&submits != 0 {
		s.paces[r.method+" "+r.path] = true
		return func(c *gin.Context) { s.paced(c, func() { s.call(c, r) }) }
	}
	return func(c *gin.Context) { s.call(c, r) }
}

// call answers a call.
func (s *server) call(c *gin.Context, r route) {
	body := s.meter(c, r.maxBody())
	defer s.answered(body)
	if refusal := s.meant(c.Request.Header); refusal != nil {
		s.fail(c, refusal)
		return
	}
	q, err := readQuery(c.Request.URL.RawQuery, r.params)
	if err != nil {
		s.fail(c, err)
		return
	}
	forward, linearizable := q.flag("forward"), q.oneOf("consistency", "local", "linearizable") == "linearizable"
	if q.wrong != nil {
		s.fail(c, q.wrong)
		return
	}
	if r.traits&atLeader != 0 || linearizable {
		if url, self := s.Backend.Leader(); !self {
			s.toLeader(c, r, url, forward)
			return
		}
	}
	if err := r.handle(c, q); err != nil {
		s.failCall(c, err, r, forward)
	}
}
