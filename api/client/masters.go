package client

import (
	"context"
	"net/http"

	"muster/api/client/internal/raw"
	"muster/api/wire"
)

// Slaves returns the registry, in registration order.
func (c *Client) Slaves(ctx context.Context, opts ReadOptions) ([]Slave, error) {
	var out wire.SlaveList
	err := c.do(ctx, call{
		what: "list slaves", write: opts.Linearizable, safe: true, large: true, timeout: c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) {
			return raw.NewListSlavesRequest(base, &wire.ListSlavesParams{MinIndex: c.minIndex(opts), Consistency: consistency(opts)})
		},
	}, &out)
	return out.Slaves, err
}

// Masters returns the masters, as one of them knows them.
func (c *Client) Masters(ctx context.Context) ([]Master, error) {
	var out wire.MasterList
	err := c.do(ctx, call{
		what: "list masters", safe: true, timeout: c.cfg.AttemptTimeout,
		build: raw.NewListMastersRequest,
	}, &out)
	return out.Masters, err
}

// Join takes a master in. It may last as long as the master's catching up; a
// repetition joins the same master again, which changes nothing.
func (c *Client) Join(ctx context.Context, r JoinRequest) (Joined, error) {
	var out Joined
	err := c.do(ctx, call{
		what: "join master " + r.ID, write: true, safe: true,
		build: func(base string) (*http.Request, error) { return raw.NewJoinRequest(base, &wire.JoinParams{}, r) },
	}, &out)
	return out, err
}

// RemoveMaster takes a master out. It returns the leader's sentence.
func (c *Client) RemoveMaster(ctx context.Context, id string) (string, error) {
	var out wire.Message
	err := c.do(ctx, call{
		what: "remove master " + id, write: true,
		build: func(base string) (*http.Request, error) {
			return raw.NewRemoveMasterRequest(base, id, &wire.RemoveMasterParams{})
		},
	}, &out)
	return out.Message, err
}

// TransferLeadership hands leadership to a master. It returns the old leader's
// sentence.
func (c *Client) TransferLeadership(ctx context.Context, id string) (string, error) {
	var out wire.Message
	err := c.do(ctx, call{
		what: "hand leadership to master " + id, write: true, timeout: 4 * c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) {
			return raw.NewTransferLeadershipRequest(base, id, &wire.TransferLeadershipParams{})
		},
	}, &out)
	return out.Message, err
}

// Status asks the master at an address what it knows of itself, once. The
// fingerprint reads that master's whole state.
func (c *Client) Status(ctx context.Context, address string, fingerprint bool) (Status, error) {
	var out Status
	err := c.ask(ctx, address, call{
		what: "read the status of the master at " + address, safe: true, once: true, timeout: c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) {
			return raw.NewGetStatusRequest(base, &wire.GetStatusParams{Fingerprint: given(fingerprint)})
		},
	}, &out)
	return out, err
}

// Ready asks the master at an address whether it is ready, once. A refusal's
// message says what is missing.
func (c *Client) Ready(ctx context.Context, address string) error {
	var out wire.Readiness
	return c.ask(ctx, address, call{
		what: "ask the master at " + address + " whether it is ready", safe: true, once: true, timeout: c.cfg.AttemptTimeout,
		build: raw.NewGetReadinessRequest,
	}, &out)
}

// ask asks one master, once.
func (c *Client) ask(ctx context.Context, address string, k call, out any) error {
	base, err := baseURL(address)
	if err != nil {
		return err
	}
	k.anyCluster = true
	if err := c.follow(ctx, base, k, out); err != nil {
		var sum summary
		sum.add(k, err)
		return sum.failure(ctx, k)
	}
	return nil
}
