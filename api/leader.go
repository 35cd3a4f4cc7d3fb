package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"muster/task"
	"muster/task/baseurl"
)

// headerForwarded marks a call that a follower carries. A master that gets one
// and does not lead never carries it on.
const headerForwarded = "Muster-Forwarded"

// toLeader sends a call that this master can't answer to the one that can: by
// redirect, or by carrying it there. The leader's URL is the configured one; the
// Host header of a request decides nothing.
func (s *server) toLeader(c *gin.Context, r route, leader string, forward bool) {
	leader = strings.TrimRight(leader, "/")
	switch by := c.Request.Header.Get(headerForwarded); {
	case by != "":
		s.fail(c, task.Refuse(task.CodeNoLeader, "the master at "+by+" forwarded the call here, but this master does not lead; try again"))
	case leader == "" || leader == strings.TrimRight(s.SelfURL, "/"):
		s.fail(c, task.Refuse(task.CodeNoLeader, "no leader is known at the moment; nothing was done, try again"))
	case forward || s.ForwardFollowers:
		s.forward(c, r, leader)
	default:
		s.redirect(c, leader)
	}
}

func (s *server) redirect(c *gin.Context, leader string) {
	if _, ok := s.leaderURL(c, leader); !ok {
		return
	}
	refusal := task.Refuse(task.CodeNotLeader, "only the leader answers this; it is at "+leader+", nothing was done")
	refusal.Leader = leader
	location := leader + c.Request.URL.EscapedPath()
	if q := c.Request.URL.RawQuery; q != "" {
		location += "?" + q
	}
	c.Header("Location", location)
	s.fail(c, refusal)
}

// leaderURL reads the URL that the leader has in the registry, or refuses the
// call: an older master may have recorded one to which no path can be appended.
func (s *server) leaderURL(c *gin.Context, leader string) (*url.URL, bool) {
	u, err := baseurl.Parse(leader)
	if err != nil {
		s.log.Error("the leader's URL can't be used", "url", leader, "error", err)
		s.fail(c, task.Refuse(task.CodeNoLeader, "the URL that the leader is registered with "+err.Error()+"; nothing was done. Start that master with another --api-advertise"))
	}
	return u, err == nil
}

// forward carries the call to the leader and its answer back, stamps included.
func (s *server) forward(c *gin.Context, r route, leader string) {
	target, ok := s.leaderURL(c, leader)
	if !ok {
		return
	}
	limit := 2 * s.CallTimeout                     // the leader's own word on its time comes before
	wait, _ := time.ParseDuration(c.Query("wait")) // what is wrong, the leader says
	switch {
	case r.traits&lasting != 0:
		limit = 2 * max(s.JoinTimeout, maxWait)
	case r.traits&batch != 0:
		limit = 2 * batchTimeout
	case wait > 0:
		limit += min(wait, maxWait)
	}
	s.extend(c, limit)
	ctx, cancel := context.WithTimeout(c.Request.Context(), limit)
	defer cancel()
	ctx, answered, sent := s.whileLeads(ctx)
	defer answered()
	if body, ok := c.Request.Body.(*bodyOf); ok {
		body.carried = true
	}
	self := s.SelfURL
	if self == "" {
		self = "unknown"
	}
	proxy := httputil.ReverseProxy{
		Transport: s.Transport,
		// ErrorHandler has all but an answer that breaks off in the middle.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Header.Set(headerForwarded, self)
			if own := s.Backend.Cluster(); own != "" {
				p.Out.Header.Set(headerCluster, own)
			}
		},
		// Its address may have become that of another cluster's master, which refuses.
		ModifyResponse: func(resp *http.Response) error {
			answered()
			theirs, own := resp.Header.Get(headerCluster), s.Backend.Cluster()
			if resp.StatusCode != http.StatusConflict || theirs == "" || own == "" || theirs == own {
				return nil
			}
			return task.Refuse(task.CodeNoLeader, "at the leader's address "+leader+" answers a master of another cluster, "+theirs+"; nothing was done, try again")
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			s.log.Warn("can't forward a call to the leader", "leader", leader, "path", r.path, "error", err)
			answered()
			if replaced, ok := errors.AsType[*replacedError](context.Cause(ctx)); ok {
				err = replaced
			}
			s.fail(c, forwardFailed(r.method, leader, sent(), err))
		},
	}
	proxy.ServeHTTP(c.Writer, c.Request.WithContext(ctx))
}

// forwardFailed says what is known of a call that came to no answer. sent tells whether
// there was a connection to send it on.
func forwardFailed(method, leader string, sent bool, err error) *task.Error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(large.Limit)
	}
	if refusal, ok := errors.AsType[*task.Error](err); ok {
		return refusal // of the body: the leader did not get all of it
	}
	silent, since := "the leader at "+leader+" gave no answer", ""
	if replaced, ok := errors.AsType[*replacedError](err); ok {
		silent, since = "the master at "+leader+", which led when the call came, gave no answer", ", and "+replaced.Error()
	}
	switch {
	case method == http.MethodGet || method == http.MethodHead:
		return task.Refuse(task.CodeNoLeader, silent+since+"; nothing was done, try again")
	case !sent:
		return task.Refuse(task.CodeNoLeader, "the leader at "+leader+" could not be reached"+since+"; nothing was done, try again")
	}
	return task.Refuse(task.CodeOutcomeUnknown, silent+since+": the call may have been done; repeat it, a submit with the same Idempotency-Key, or look")
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
