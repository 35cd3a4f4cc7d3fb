package api

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"muster/task"
)

// metrics are what the API counts of itself.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	// readersCut counts readers of events that were too slow or broke off.
	readersCut prometheus.Counter
}

func newMetrics(r prometheus.Registerer, streams room) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "muster_api_requests_total",
			Help: "Requests answered, by route, method and HTTP status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "muster_api_request_seconds",
			Help:    "Time from a request's header to its answer, long polls included, by route and method.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 300},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "muster_api_requests_in_flight",
			Help: "Requests that are being answered now.",
		}),
		readersCut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_api_event_readers_cut_total",
			Help: "Readers of events that were cut, because they were too slow or could not be written to.",
		}),
	}
	r.MustRegister(m.requests, m.seconds, m.inFlight, m.readersCut, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "muster_api_event_readers",
		Help: "Readers of events at this master now.",
	}, func() float64 { return float64(len(streams)) }))
	return m
}

// observe counts and, at debug level, logs every request.
func (s *server) observe(c *gin.Context) {
	began := time.Now()
	s.metrics.inFlight.Inc()
	defer s.metrics.inFlight.Dec()
	c.Next()
	took := time.Since(began)
	route, method := c.FullPath(), c.Request.Method
	if route == "" {
		route, method = "none", "any" // what clients make up must not become labels
	}
	s.metrics.requests.WithLabelValues(route, method, strconv.Itoa(c.Writer.Status())).Inc()
	s.metrics.seconds.WithLabelValues(route, method).Observe(took.Seconds())
	if s.log.Enabled(c.Request.Context(), slog.LevelDebug) {
		s.log.Debug("request", "method", c.Request.Method, "path", c.Request.URL.Path, "status", c.Writer.Status(),
			"bytes", c.Writer.Size(), "took", took, "client", c.Request.RemoteAddr)
	}
}

// recoverPanic answers a request whose handler panicked: one bad request must
// not end a master.
func (s *server) recoverPanic(c *gin.Context) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(cause) // the server's own way to cut a connection
		}
		s.log.Error("a handler panicked", "method", c.Request.Method, "path", c.FullPath(), "panic", cause, "stack", string(debug.Stack()))
		if !c.Writer.Written() {
			s.fail(c, task.Refuse(task.CodeInternal, "something went wrong inside this master; its log says what"))
		}
	}()
	c.Next()
}

// refuseForeignPages keeps web pages of other origins from writing with the
// help of a browser that can reach this master. Programs are not concerned.
func (s *server) refuseForeignPages(c *gin.Context) {
	var protection http.CrossOriginProtection
	if err := protection.Check(c.Request); err != nil {
		s.fail(c, invalid("a web page of another origin asked for this: %s", err))
		c.Abort()
	}
}
