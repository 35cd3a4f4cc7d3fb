package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"muster/task"
)

// Bounds of what a Sender sends and reads.
const (
	maxSendBytes   = maxOrdersBytes - 64<<10 // what fits into the body of POST /tasks, with room to spare
	maxShortAnswer = 64 << 10                // to a question or a cancel
	maxHeldAnswer  = 16 << 20                // with held attempts, of 80 bytes at most
	maxSendAnswer  = 64 << 20                // with receipts
	// maxReceipt bounds one receipt: its texts, each byte of which is at most six
	// in JSON, and the rest.
	maxReceipt = 6*(task.MaxResultBytes+task.MaxErrorBytes) + 1<<10

	senderIdleTimeout = 75 * time.Second // longer than the pause between two probes of an idle slave
)

// ReasonNotSent is the reason of a receipt that a Sender gives in the slave's
// place: the order did not fit into the request with the others.
const ReasonNotSent = "not_sent"

// Sender is a leader's way to the slaves. It keeps connections between calls;
// its methods are safe for concurrent use.
type Sender struct {
	client *http.Client
	knocks *http.Client // makes a connection for each request
}

// SenderConfig configures a Sender.
type SenderConfig struct {
	// Dial opens a connection to a slave; default: net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Broken, if not nil, is told the URL of a slave to which a connection has ended
	// that this side did not close. It is called on the connection's goroutine; a
	// request on that connection waits for its return.
	Broken func(url string)
}

// NewSender returns a Sender. Close lets its idle connections go.
func NewSender(cfg SenderConfig) *Sender {
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext
	}
	kept := transport(watched(cfg.Dial, cfg.Broken))
	kept.MaxIdleConnsPerHost = 2 // a leader has one request to a slave in flight; a cancel may overtake
	kept.IdleConnTimeout = senderIdleTimeout
	single := transport(cfg.Dial)
	single.DisableKeepAlives = true
	// A slave that sends the leader elsewhere is no slave.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Sender{
		client: &http.Client{Transport: kept, CheckRedirect: stay},
		knocks: &http.Client{Transport: single, CheckRedirect: stay},
	}
}

func transport(dial dialer) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// Close closes the connections that are idle.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Available asks "are you available?".
func (s *Sender) Available(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error) {
	return s.available(ctx, s.client, url, stamp)
}

// Knock is Available on a connection of its own: the answer shows that the slave
// can be reached now, and task.ErrRefused that its port refuses.
func (s *Sender) Knock(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error) {
	return s.available(ctx, s.knocks, url, stamp)
}

func (s *Sender) available(ctx context.Context, by *http.Client, url string, stamp task.Stamp) (task.Availability, error) {
	var answer availability
	err := exchange(ctx, by, request{http.MethodGet, url, "/available", stamp, nil}, maxShortAnswer, &answer)
	if err != nil {
		return task.Availability{}, err
	}
	a, err := answer.toTask()
	if err != nil {
		return task.Availability{}, fmt.Errorf("ask slave at %s: %w", url, err)
	}
	return a, nil
}

// Send hands attempts to an incarnation; the receipts are in order. Orders that
// don't fit into one request are not sent, and refused with ReasonNotSent.
func (s *Sender) Send(ctx context.Context, url string, stamp task.Stamp, incarnation string, orders []task.Order) ([]task.Receipt, task.Availability, error) {
	body, sent := encodeOrders(incarnation, orders)
	var answer ordersAnswer
	limit := min(maxShortAnswer+int64(sent)*maxReceipt, maxSendAnswer)
	if err := exchange(ctx, s.client, request{http.MethodPost, url, "/tasks", stamp, body}, limit, &answer); err != nil {
		return nil, task.Availability{}, err
	}
	a, err := answer.from(incarnation)
	if err != nil {
		return nil, task.Availability{}, fmt.Errorf("send to slave at %s: %w", url, err)
	}
	receipts, err := answer.receipts(orders, sent)
	if err != nil {
		return nil, task.Availability{}, fmt.Errorf("send to slave at %s: %w", url, err)
	}
	return receipts, a, nil
}

// Held lists the attempts that the slave has.
func (s *Sender) Held(ctx context.Context, url string, stamp task.Stamp) ([]task.Held, task.Availability, error) {
	var answer heldAnswer
	if err := exchange(ctx, s.client, request{http.MethodGet, url, "/tasks", stamp, nil}, maxHeldAnswer, &answer); err != nil {
		return nil, task.Availability{}, err
	}
	a, err := answer.toTask()
	if err != nil {
		return nil, task.Availability{}, fmt.Errorf("ask slave at %s what it holds: %w", url, err)
	}
	held := make([]task.Held, len(answer.Tasks))
	for i, m := range answer.Tasks {
		if held[i], err = m.toHeld(); err != nil {
			return nil, task.Availability{}, fmt.Errorf("ask slave at %s what it holds: %w", url, err)
		}
	}
	return held, a, nil
}

// Resize has an incarnation change its number of slots. A slave that can't is
// task.ErrNotResizable.
func (s *Sender) Resize(ctx context.Context, url string, stamp task.Stamp, incarnation string, slots int) (task.Availability, error) {
	body, err := json.Marshal(resizeRequest{Incarnation: incarnation, Slots: slots})
	if err != nil {
		return task.Availability{}, fmt.Errorf("resize slave at %s: %w: %w", url, task.ErrUnreached, err)
	}
	var answer availability
	if err := exchange(ctx, s.client, request{http.MethodPost, url, "/resize", stamp, body}, maxShortAnswer, &answer); err != nil {
		return task.Availability{}, err
	}
	a, err := answer.from(incarnation)
	if err != nil {
		return task.Availability{}, fmt.Errorf("resize slave at %s: %w", url, err)
	}
	return a, nil
}

// Cancel stops one attempt; a slave that does not have it says so with nil.
func (s *Sender) Cancel(ctx context.Context, url string, stamp task.Stamp, incarnation string, id task.ID, attempt uint32) (task.Availability, error) {
	body, err := json.Marshal(cancelRequest{Incarnation: incarnation, Attempt: attempt})
	if err != nil {
		return task.Availability{}, fmt.Errorf("cancel at slave at %s: %w: %w", url, task.ErrUnreached, err)
	}
	var answer availability
	path := "/tasks/" + id.String() + "/cancel"
	if err := exchange(ctx, s.client, request{http.MethodPost, url, path, stamp, body}, maxShortAnswer, &answer); err != nil {
		return task.Availability{}, err
	}
	a, err := answer.from(incarnation)
	if err != nil {
		return task.Availability{}, fmt.Errorf("cancel at slave at %s: %w", url, err)
	}
	return a, nil
}

// encodeOrders writes the body of POST /tasks, with as many of the orders as
// the slave takes at once. It returns how many these are.
func encodeOrders(incarnation string, orders []task.Order) (body []byte, sent int) {
	b := make([]byte, 0, 64+len(incarnation)+160*len(orders))
	b = appendString(append(b, `{"incarnation":`...), incarnation)
	b = append(b, `,"tasks":[`...)
	for i := range orders[:min(len(orders), task.MaxSlots)] {
		before := len(b)
		if sent > 0 {
			b = append(b, ',')
		}
		if b = appendOrder(b, &orders[i]); len(b) > maxSendBytes {
			b = b[:before]
			break
		}
		sent++
	}
	return append(b, `]}`...), sent
}

// from is toTask for the answer to a request that named an incarnation.
func (a availability) from(incarnation string) (task.Availability, error) {
	if a.Incarnation != incarnation {
		return task.Availability{}, fmt.Errorf("incarnation %.64q took a request that was meant for %q", a.Incarnation, incarnation)
	}
	return a.toTask()
}

// receipts checks that there is one receipt for each order that was sent.
func (a ordersAnswer) receipts(orders []task.Order, sent int) ([]task.Receipt, error) {
	if len(a.Tasks) != sent {
		return nil, fmt.Errorf("the answer has %d receipts for %d tasks", len(a.Tasks), sent)
	}
	receipts := make([]task.Receipt, len(orders))
	for i, o := range orders {
		if i >= sent {
			receipts[i] = task.Receipt{ID: o.ID, Attempt: o.Attempt, Status: task.Refused, Reason: ReasonNotSent}
			continue
		}
		r, err := a.Tasks[i].toTask()
		if err != nil {
			return nil, err
		}
		if r.ID != o.ID || r.Attempt != o.Attempt {
			return nil, errors.New("the receipts are not in the order of the tasks")
		}
		receipts[i] = r
	}
	return receipts, nil
}
