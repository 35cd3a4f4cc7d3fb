package link

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"muster/slave/worker"
	"muster/task"
	"muster/task/browser"
)

// NewServer returns the slave's HTTP server, with limits on everything that a
// caller could draw out. names are those by which masters call it, besides its
// address. The caller serves and shuts it down.
func NewServer(w *worker.Worker, log *slog.Logger, names ...string) *http.Server {
	return &http.Server{
		Handler:           withoutPages(Handler(w), names),
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

// withoutPages refuses what a web page asks for with the help of a browser that
// reaches the slave. A leader calls it by the URL that it has registered.
func withoutPages(next http.Handler, names []string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if err := browser.CheckOrigin(r); err != nil {
			writeError(rw, http.StatusBadRequest, task.CodeInvalidRequest, err.Error())
			return
		}
		if r.URL.Path != healthPath && !browser.HostIsKnown(r.Host, names...) {
			writeError(rw, http.StatusMisdirectedRequest, task.CodeUnknownHost,
				fmt.Sprintf("this slave does not know itself by the name %.100q of the Host header; call it by an IP address, or by the URL that it advertises", r.Host))
			return
		}
		next.ServeHTTP(rw, r)
	})
}
