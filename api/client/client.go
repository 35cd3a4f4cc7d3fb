package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/api/wire"
	"muster/task/baseurl"
)

// Config is what New needs. Only Addresses is required.
type Config struct {
	// Addresses are base URLs of masters, at best of all.
	Addresses []string
	// HTTPClient makes the requests; default: one of its own, with pooled
	// connections. Redirects are followed by this package, not by it.
	HTTPClient *http.Client
	Logger     *slog.Logger // default: discard
	// AttemptTimeout bounds one request of a call; default 3 s, so that a leader
	// that vanished without a word costs little more. A wait adds what
	// it waits, and a join or a removal of a master has only its context's.
	AttemptTimeout time.Duration
	MinBackoff     time.Duration // first pause between rounds; default 50 ms
	MaxBackoff     time.Duration // longest pause; default 1 s
}

// Client asks the masters of one cluster. It is safe for concurrent use.
//
// It stays with the cluster that answered first. Masters of another, in the list by
// mistake or built anew at the same addresses, refuse its calls; when no other answers,
// a call ends with CodeWrongCluster, and so will those after it: ids and indexes of the
// old cluster mean nothing in the new one. Make a new Client for that.
type Client struct {
	cfg       Config
	http      *http.Client
	addresses []string
	log       *slog.Logger
	maxAnswer int64 // bytes
	verdicts  wire.Decoder[wire.Verdicts]

	seen   atomic.Uint64 // the highest index of an answer
	traces atomic.Bool   // see connTrace

	mu      sync.Mutex
	cluster string // see Cluster; under mu
	leader  string // last known URL, "" for unknown; under mu
	// shunned are leaders that were named and could not be called, and until when
	// they are not called unless they redirect: behind a proxy nobody reaches them.
	shunned map[string]time.Time // under mu
	// away are masters to which no connection could be made, and until when they are
	// asked after all others.
	away  map[string]time.Time // under mu
	first int                  // of addresses, where a round begins; under mu
}

// New returns a client. It asks nobody yet.
func New(cfg Config) (*Client, error) {
	c := &Client{cfg: cfg, log: cfg.Logger, maxAnswer: maxAnswer, verdicts: wire.NewDecoder[wire.Verdicts](), shunned: map[string]time.Time{}, away: map[string]time.Time{}}
	for _, a := range cfg.Addresses {
		base, err := baseURL(a)
		if err != nil {
			return nil, err
		}
		c.addresses = append(c.addresses, base)
	}
	if len(c.addresses) == 0 {
		return nil, errors.New("a client needs the address of at least one master")
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.cfg.AttemptTimeout = orDefault(cfg.AttemptTimeout, 3*time.Second)
	c.cfg.MinBackoff = orDefault(cfg.MinBackoff, 50*time.Millisecond)
	c.cfg.MaxBackoff = max(orDefault(cfg.MaxBackoff, time.Second), c.cfg.MinBackoff)
	c.http = &http.Client{Transport: newTransport()}
	if cfg.HTTPClient != nil {
		own := *cfg.HTTPClient // a copy: the caller's stays as it is
		c.http = &own
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

// Close drops connections that nobody uses. Without a HTTPClient of the caller's
// it should be called.
func (c *Client) Close() {
	if c.cfg.HTTPClient == nil {
		c.http.CloseIdleConnections()
	}
}

// Index is the highest index that this client has seen in an answer.
func (c *Client) Index() uint64 { return c.seen.Load() }

// Leader is the last known URL of the leader, or "".
func (c *Client) Leader() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leader
}

// newTransport keeps enough connections for many calls at once to one master.
func newTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     time.Minute, // under the masters', so that it is us who closes
	}
}

func baseURL(address string) (string, error) {
	if _, err := baseurl.Parse(address); err != nil {
		return "", fmt.Errorf("the address of a master must be a URL like http://10.0.0.1:8101; this one %w", err)
	}
	return strings.TrimRight(address, "/"), nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d <= 0 {
		return def
	}
	return d
}
