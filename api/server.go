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

// extend gives this request's connection time for a call that may last d. The
// read deadline moves too: when it passes, the server takes the client for gone.
func (s *server) extend(c *gin.Context, d time.Duration) {
	until := time.Now().Add(d + readTimeout)
	rc := http.NewResponseController(c.Writer)
	if err := errors.Join(rc.SetReadDeadline(until), rc.SetWriteDeadline(until)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.log.Debug("can't extend a connection's deadlines", "error", err)
	}
}
