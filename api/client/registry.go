package client

import (
	"context"
	"net/http"

	"muster/api/client/internal/raw"
	"muster/api/wire"
)

// DrainSlave keeps a slave from getting tasks until UndrainSlave.
func (c *Client) DrainSlave(ctx context.Context, name string) (Slave, error) {
	return c.changeSlave(ctx, "drain slave "+name, func(base string) (*http.Request, error) {
		return raw.NewDrainSlaveRequest(base, name, &wire.DrainSlaveParams{})
	})
}

// UndrainSlave lets a slave have tasks again.
func (c *Client) UndrainSlave(ctx context.Context, name string) (Slave, error) {
	return c.changeSlave(ctx, "undrain slave "+name, func(base string) (*http.Request, error) {
		return raw.NewUndrainSlaveRequest(base, name, &wire.UndrainSlaveParams{})
	})
}

// ResizeSlave has a slave change its slots while it runs.
func (c *Client) ResizeSlave(ctx context.Context, name string, slots int) (Slave, error) {
	return c.changeSlave(ctx, "resize slave "+name, func(base string) (*http.Request, error) {
		return raw.NewResizeSlaveRequest(base, name, &wire.ResizeSlaveParams{}, wire.Resize{Slots: slots})
	})
}

// changeSlave makes a change that may be repeated: it says how the slave shall be.
func (c *Client) changeSlave(ctx context.Context, what string, build func(base string) (*http.Request, error)) (Slave, error) {
	var out wire.SlaveAnswer
	err := c.do(ctx, call{what: what, write: true, safe: true, timeout: c.cfg.AttemptTimeout, build: build}, &out)
	return out.Slave, err
}

// RemoveSlave drops a slave from the registry and returns what was there. While
// it has tasks this is CodeSlaveBusy; by force they are given up.
func (c *Client) RemoveSlave(ctx context.Context, name string, force bool) (Slave, error) {
	var out wire.SlaveAnswer
	err := c.do(ctx, call{
		what: "remove slave " + name, write: true, timeout: c.cfg.AttemptTimeout,
		build: func(base string) (*http.Request, error) {
			return raw.NewRemoveSlaveRequest(base, name, &wire.RemoveSlaveParams{Force: given(force)})
		},
	}, &out)
	return out.Slave, err
}
