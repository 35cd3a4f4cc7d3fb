package api

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"muster/task"
)

// headerForwarded marks a call that a follower carries. A master that gets one
// and does not lead never carries it on.
const headerForwarded = "Muster-Forwarded"

// toLeader sends a call that this master can't answer to the one that can: by
// redirect, or by carrying it there. The leader's URL is the configured one; the
// Host header of a request decides nothing.
func (s *server) toLeader(c *gin.Context, leader string, forward bool) {
	leader = strings.TrimRight(leader, "/")
	switch by := c.Request.Header.Get(headerForwarded); {
	case by != "":
		s.fail(c, task.Refuse(task.CodeNoLeader, "The master at "+by+" forwarded the call here, but this master does not lead. Try again."))
	case leader == "" || leader == strings.TrimRight(s.SelfURL, "/"):
		s.fail(c, task.Refuse(task.CodeNoLeader, "No leader is known at the moment. Nothing was done; try again."))
	case forward || s.ForwardFollowers:
		s.forward(c, leader)
	default:
		s.redirect(c, leader)
	}
}

func (s *server) redirect(c *gin.Context, leader string) {
	refusal := task.Refuse(task.CodeNotLeader, "Only the leader answers this; it is at "+leader+". Nothing was done.")
	refusal.Leader = leader
	location := leader + c.Request.URL.EscapedPath()
	if q := c.Request.URL.RawQuery; q != "" {
		location += "?" + q
	}
	c.Header("Location", location)
	s.fail(c, refusal)
}

// forward carries the call to the leader and its answer back, stamps included.
func (s *server) forward(c *gin.Context, leader string) {
	target, err := url.Parse(leader)
	if err != nil {
		s.log.Error("the leader's URL can't be read", "url", leader, "error", err)
		s.fail(c, task.Refuse(task.CodeNoLeader, "The leader's URL can't be read. Nothing was done."))
		return
	}
	s.extend(c, s.JoinTimeout)
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	self := s.SelfURL
	if self == "" {
		self = "unknown"
	}
	proxy := httputil.ReverseProxy{
		Transport: s.Transport,
		ErrorLog:  nil, // ErrorHandler has them all
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header.Set(headerForwarded, self)
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			s.log.Warn("can't forward a call to the leader", "leader", leader, "path", r.URL.Path, "error", err)
			s.fail(c, forwardFailed(r.Method, leader, err))
		},
	}
	proxy.ServeHTTP(c.Writer, c.Request)
}

// forwardFailed says what is known of a call that came to no answer.
func forwardFailed(method, leader string, err error) *task.Error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || method == http.MethodGet {
		return task.Refuse(task.CodeNoLeader, "The leader at "+leader+" could not be reached. Nothing was done; try again.")
	}
	return task.Refuse(task.CodeOutcomeUnknown, "The leader at "+leader+" gave no answer: the call may have been done. "+
		"Repeat it, a submit with the same Idempotency-Key, or look.")
}

// newForwardTransport is for many calls to one host.
func newForwardTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute, // under the server's, so that it is us who closes
	}
}
