package api

import (
	_ "embed"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"muster/api/wire"
	"muster/task"
)

//go:embed openapi.yaml
var document []byte

// status describes this master.
func (s *server) status(c *gin.Context, q *query) error {
	fingerprint := q.flag("fingerprint")
	if q.wrong != nil {
		return q.wrong
	}
	st := s.Backend.Status(fingerprint)
	s.stamp(c, st.AppliedIndex)
	s.answer(c, fromStatus(&st))
	return nil
}

func fromStatus(st *Status) wire.Status {
	return wire.Status{
		ID:              st.ID,
		ClusterID:       st.ClusterID,
		DiskID:          st.DiskID,
		RaftAddress:     st.RaftAddress,
		APIURL:          st.APIURL,
		Time:            wire.Instant(st.WallClock),
		ClusterTime:     wire.Instant(st.Clock),
		Founders:        st.Founders,
		DiskFreeBytes:   st.FreeDisk,
		DiskLow:         st.DiskLow,
		Version:         st.Version,
		Role:            wire.FromRole(st.Role),
		Voter:           st.Voter,
		Term:            st.Term,
		LeaderID:        st.LeaderID,
		LeaderURL:       st.LeaderURL,
		AppliedIndex:    st.AppliedIndex,
		LeaderContactMS: st.LeaderContactMS,
		Fingerprint:     st.Fingerprint,
		Counts:          wire.FromCounts(st.Counts),
		Capacity:        wire.FromCapacity(st.Capacity),
		Ready:           st.Ready,
		NotReady:        st.NotReady,
		OldestPendingAt: wire.Instant(st.OldestPendingAt),
	}
}

// health says that the process runs, and that its loops get on.
func (s *server) health(c *gin.Context, _ *query) error {
	if err := s.Backend.Healthy(); err != nil {
		return err
	}
	s.answer(c, wire.Readiness{Status: "ok"})
	return nil
}

// readiness says whether to send clients here.
func (s *server) readiness(c *gin.Context, _ *query) error {
	err := s.Backend.Ready()
	if err == nil {
		s.answer(c, wire.Readiness{Status: "ok"})
		return nil
	}
	if refusal, ok := errors.AsType[*task.Error](err); ok && statuses[refusal.Code] == http.StatusServiceUnavailable {
		return refusal
	}
	code := task.CodeNotCaughtUp
	if leader, _ := s.Backend.Leader(); leader == "" {
		code = task.CodeNoLeader
	}
	return task.Refuse(code, err.Error())
}

// serveMetrics shows all that is in the registry.
func (s *server) serveMetrics(c *gin.Context, _ *query) error {
	s.stamp(c, s.index(c.Request.Context()))
	promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).ServeHTTP(c.Writer, c.Request)
	return nil
}

// specification serves openapi.yaml.
func (s *server) specification(c *gin.Context, _ *query) error {
	s.write(c, http.StatusOK, []string{"application/yaml"}, document)
	return nil
}
