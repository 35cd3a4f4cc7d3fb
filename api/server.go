package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// Limits of a connection. A call that may last longer extends its own.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// NewServer returns a server with all its limits set. The caller gives it a
// listener, and a logger of its own in ErrorLog. Its Shutdown ends the waits of
// reads, so that it need not wait for them.
func NewServer(handler http.Handler) *http.Server {
	shutdown, begin := context.WithCancel(context.Background())
	srv := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, new(caller))
		},
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), shutdownKey{}, shutdown)
		},
	}
	srv.RegisterOnShutdown(begin)
	return srv
}

// shutdownKey is of the value, in the context of each request, that is a context
// which ends when the server's shutdown begins.
type shutdownKey struct{}

// waiting returns the context of a wait for at most d: it ends with the request's,
// and when the server shuts down, as if d were over.
func waiting(request context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(request, d)
	shutdown, ok := request.Value(shutdownKey{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	stop := context.AfterFunc(shutdown, cancel)
	return ctx, func() { stop(); cancel() }
}

// extend gives this request's connection time for a call that may last d: the
// server's time-out for writing runs from the request's header on.
func (s *server) extend(c *gin.Context, d time.Duration) { s.deadline(c, d+writeTimeout) }

// deadline has the answer be written within d from now.
func (s *server) deadline(c *gin.Context, d time.Duration) {
	err := http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(d))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.log.Debug("can't set a connection's deadline", "error", err)
	}
}
