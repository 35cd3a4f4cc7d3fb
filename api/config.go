package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what New needs. Only Backend is required.
type Config struct {
	Backend Backend
	Logger  *slog.Logger // default: discard
	// ForwardFollowers makes a follower carry every call that needs the leader,
	// as if it had ?forward=true.
	ForwardFollowers bool
	// QueueWhenFull lets tasks wait for a free slot that don't say what they want.
	QueueWhenFull bool
	// SelfURL is this master's configured API URL. It is never redirected to.
	SelfURL string
	// Names are those by which this master may be called besides its address, localhost,
	// and the hosts of all masters' URLs; see browser.HostIsKnown.
	Names []string
	// Registry gets the API's metrics, and /metrics shows all that is in it;
	// default: one of its own.
	Registry *prometheus.Registry
	// IndexWait bounds the wait for min_index; default 5 s.
	IndexWait time.Duration
	// Late reports whether this master's loops run late: new tasks then get a smaller
	// share of it. It is called several times a second; default: they never do.
	Late func() bool
	// CallTimeout bounds a write and a linearizable read; default 20 s.
	CallTimeout time.Duration
	// JoinTimeout bounds a join and a removal of a master; default 5 min.
	JoinTimeout time.Duration
	// Transport carries forwarded calls; default: one of its own.
	Transport http.RoundTripper
}

// server is the handlers' common ground. It has no state of its own but pools.
type server struct {
	Config

	log       *slog.Logger
	metrics   *metrics
	decoders  decoders
	buffers   sync.Pool // of *bytes.Buffer
	jsonType  []string  // the Content-Type of most answers
	noSniff   []string
	known     atomic.Pointer[string] // the last Host header that is known whoever the masters are
	room      room
	batches   room
	exports   room
	streams   room
	resyncs   room
	answers   room // of large ones
	bigEvents room
	shed      *shedder
	paces     map[string]bool // of the calls that shed is asked about, by method and path; made once
	frames    frames          // of events
}

// New returns the API's handler. NewServer makes a server of it.
func New(cfg Config) http.Handler {
	s := &server{
		Config: cfg, log: cfg.Logger, decoders: newDecoders(),
		room: make(room, largeBodies), batches: make(room, 1), exports: make(room, maxExports),
		paces: map[string]bool{}, streams: make(room, maxStreams), resyncs: make(room, maxResyncs), answers: make(room, largeAnswers), bigEvents: make(room, largeEvents),
	}
	s.buffers.New = func() any { return new(bytes.Buffer) }
	s.jsonType, s.noSniff = []string{"application/json"}, []string{"nosniff"}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.Registry == nil {
		s.Registry = prometheus.NewRegistry()
	}
	if s.IndexWait <= 0 {
		s.IndexWait = 5 * time.Second
	}
	if s.CallTimeout <= 0 {
		s.CallTimeout = 20 * time.Second
	}
	if s.JoinTimeout <= 0 {
		s.JoinTimeout = 5 * time.Minute
	}
	if s.Transport == nil {
		s.Transport = newForwardTransport()
	}
	s.shed = newShedder(cfg.Late)
	s.metrics = newMetrics(s.Registry, s.streams, s.shed)
	return s.engine()
}

// engine is gin's part: it finds the handler of a path.
func (s *server) engine() *gin.Engine {
	// Gin has one mode for the whole process, and announces its routes on stdout
	// in any other than this.
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	g.ContextWithFallback = true
	// Nobody is believed about who a client is.
	if err := g.SetTrustedProxies(nil); err != nil {
		panic("api: no trusted proxies were refused: " + err.Error()) // nil is always accepted
	}
	g.Use(s.observe, s.recoverPanic, s.refuseForeignPages)
	g.NoRoute(s.noRoute)
	g.NoMethod(s.noMethod)
	for _, r := range s.routes() {
		g.Handle(r.method, r.path, s.serve(r))
		if r.method == http.MethodGet {
			g.HEAD(r.path, s.serve(r)) // the same without its body
		}
	}
	return g
}
