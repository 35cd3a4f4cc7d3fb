package api

import (
	"errors"
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
// listener, and a logger of its own in ErrorLog.
func NewServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}

// extend gives this request's connection time for a call that may last d: the
// server's time-out for writing runs from the request's header on.
func (s *server) extend(c *gin.Context, d time.Duration) {
	err := http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(d + writeTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.log.Debug("can't extend a connection's deadline", "error", err)
	}
}
