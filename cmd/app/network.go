package app

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Network is how a process reaches others. The zero value is the real network;
// tests put a simulated one in its place.
type Network struct {
	Listen func(ctx context.Context, address string) (net.Listener, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

func (n Network) listen(ctx context.Context, address string) (net.Listener, error) {
	if n.Listen != nil {
		return n.Listen(ctx, address)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}

func (n Network) dial() func(ctx context.Context, network, address string) (net.Conn, error) {
	if n.Dial != nil {
		return n.Dial
	}
	return (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
}

// client returns a pooled HTTP client that follows no redirects by itself.
func (n Network) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           n.dial(),
			MaxIdleConnsPerHost:   256,
			IdleConnTimeout:       90 * time.Second,
			ResponseHeaderTimeout: 0, // every call has a deadline of its own; long polls answer late
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
