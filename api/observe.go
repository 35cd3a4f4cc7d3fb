package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"muster/task"
	"muster/task/browser"
)

// metrics are what the API counts of itself.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	// readersCut counts readers of events that were too slow or broke off.
	readersCut prometheus.Counter
	// shed counts submits that were refused before they were read.
	shed prometheus.Counter

	mu     sync.RWMutex
	series map[labels]series // under mu; of the labels that have been seen
}

// labels are those of an answer.
type labels struct {
	route, method string
	status        int
}

// series are what an answer is counted in. To find them by their labels takes longer
// than to count.
type series struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

// of returns the series of an answer.
func (m *metrics) of(l labels) series {
	m.mu.RLock()
	s, ok := m.series[l]
	m.mu.RUnlock()
	if ok {
		return s
	}
	s = series{m.requests.WithLabelValues(l.route, l.method, strconv.Itoa(l.status)), m.seconds.WithLabelValues(l.route, l.method)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.series[l] = s
	return s
}

func newMetrics(r prometheus.Registerer, streams room, shedder *shedder) *metrics {
	m := &metrics{
		series: map[labels]series{},
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
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_api_submits_shed_total",
			Help: "Submits that were refused before they were read, because this master had more to do than it can.",
		}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	r.MustRegister(m.requests, m.seconds, m.inFlight, m.readersCut, m.shed,
		gauge("muster_api_submit_share", "How much of its bounds submits may have at this master now, up to 1; less while its loops run late.", func() float64 {
			of, _ := shedder.figures()
			return of
		}),
		gauge("muster_api_submits_early", "Submits that wait because their clients did not, as Retry-After had told them.", func() float64 {
			_, early := shedder.figures()
			return float64(early)
		}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
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
	series := s.metrics.of(labels{route, method, c.Writer.Status()})
	series.requests.Inc()
	series.seconds.Observe(took.Seconds())
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

// refuseForeignPages keeps web pages of other origins from writing with the help of
// a browser that can reach this master, and those that had their own name lead here
// from writing and from taking all tasks away. Other reads are open.
func (s *server) refuseForeignPages(c *gin.Context) {
	if err := browser.CheckOrigin(c.Request); err != nil {
		s.fail(c, invalid("%s", err))
		c.Abort()
		return
	}
	reads := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead || c.Request.Method == http.MethodOptions
	if reads && c.FullPath() != exportPath || s.knowsHost(c.Request.Host) {
		return
	}
	s.fail(c, task.Refuse(task.CodeUnknownHost, fmt.Sprintf("this master does not know itself by the name %.100q of the Host header, so a web page may have made up that name; "+
		"call it by an IP address or by the name that it advertises, or start it with --api-names and the name", c.Request.Host)))
	c.Abort()
}

// knowsHost reports whether a Host header names a master of this cluster: behind a
// proxy or an old name, it need not be this one.
func (s *server) knowsHost(header string) bool {
	if last := s.known.Load(); last != nil && *last == header {
		return true
	}
	if browser.HostIsKnown(header, s.Names...) || browser.HostIsKnown(header, browser.HostOf(s.SelfURL)) {
		own := header
		s.known.Store(&own)
		return true
	}
	for _, m := range s.Backend.Masters() {
		if browser.HostIsKnown(header, browser.HostOf(m.APIURL)) {
			return true
		}
	}
	return false
}
