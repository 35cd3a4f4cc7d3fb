package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// handler answers one call, or returns why not.
type handler func(c *gin.Context, q *query) error

// route is one line of the table of calls.
type route struct {
	method, path string
	handle       handler
	params       []string // the query parameters that it knows
	atLeader     bool     // only the leader can answer; else only when linearizable is asked for
}

// What several calls know.
var (
	forWrites = []string{"forward"}
	forReads  = []string{"min_index", "consistency", "forward"}
	forSubmit = []string{"explain", "forward"}
	forLists  = []string{
		"status", "outcome", "slave", "limit", "cursor", "order", "min_index", "consistency", "forward",
	}
)

// routes is the table of calls; openapi.yaml describes them.
func (s *server) routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{post, "/v1/tasks", s.submit, forSubmit, true},
		{get, "/v1/tasks", s.listTasks, forLists, false},
		{get, "/v1/tasks/:id", s.getTask, append([]string{"wait"}, forReads...), false},

		{post, "/v1/results", s.reportResults, forWrites, true},
		{post, "/v1/slaves", s.registerSlave, forWrites, true},
		{get, "/v1/slaves", s.listSlaves, forReads, false},
		{post, "/v1/slaves/:name/leave", s.leaveSlave, forWrites, true},

		{post, "/join", s.join, forWrites, true},
		{get, "/v1/masters", s.listMasters, nil, false},
		{http.MethodDelete, "/v1/masters/:id", s.removeMaster, forWrites, true},
		{post, "/v1/masters/:id/transfer", s.transferLeadership, forWrites, true},

		{get, "/v1/status", s.status, []string{"fingerprint"}, false},
		{get, "/healthz", s.health, nil, false},
		{get, "/readyz", s.readiness, nil, false},
		{get, "/metrics", s.serveMetrics, nil, false},
		{get, "/openapi.yaml", s.specification, nil, false},

		{post, "/submit-task", s.submit, forSubmit, true},
		{get, "/get-tasks", s.listTasksSimply, forLists, false},
		{post, "/register-slave", s.registerSlave, forWrites, true},
	}
}

// serve makes gin's handler of a route.
func (s *server) serve(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
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
		if r.atLeader || linearizable {
			if url, self := s.Backend.Leader(); !self {
				s.toLeader(c, url, forward)
				return
			}
		}
		if err := r.handle(c, q); err != nil {
			s.failCall(c, err, r, forward)
		}
	}
}
