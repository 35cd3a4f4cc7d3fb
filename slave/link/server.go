package link

import (
	"log/slog"
	"net/http"
	"time"

	"muster/slave/worker"
)

// NewServer returns the slave's HTTP server, with limits on everything that a
// caller could draw out. The caller serves and shuts it down.
func NewServer(w *worker.Worker, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           Handler(w),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		// Longer than a Sender keeps an idle connection, so that the leader is
		// the one who closes, and never writes to one that is being closed.
		IdleTimeout:    2 * senderIdleTimeout,
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
