package client

import (
	"context"
	"net/http"

	"muster/api/client/internal/raw"
	"muster/api/wire"
)

// DrainSlave keeps a slave from getting tasks until UndrainSlave.
func (c *Client) DrainSlave(ctx context.Context, name string) (Slave, error) {
	return c.changeSlave(ctx, call{what: "drain slave " + name, safe: true, build: func(base string) (*http.Request, error) {
		return raw.NewDrainSlaveRequest(base, name, &wire.DrainSlaveParams{})
	}})
}

// UndrainSlave lets a slave have tasks again.
func (c *Client) UndrainSlave(ctx context.Context, name string) (Slave, error) {
	return c.changeSlave(ctx, call{what: "undrain slave " + name, safe: true, build: func(base string) (*http.Request, error) {
		return raw.NewUndrainSlaveRequest(base, name, &wire.UndrainSlaveParams{})
	}})
}

// ResizeSlave has a slave change how many tasks it runs at once. A slave whose
// program can't is CodeNotResizable.
func (c *Client) ResizeSlave(ctx context.Context, name string, slots int) (Slave, error) {
	return c.changeSlave(ctx, call{what: "resize slave " + name, safe: true, build: func(base string) (*http.Request, error) {
		return raw.NewResizeSlaveRequest(base, name, &wire.ResizeSlaveParams{}, wire.Resize{Slots: slots})
	}})
}

// RemoveSlave drops a slave from the registry and returns what was there. While
// it has tasks this is CodeSlaveBusy; by force they are given up.
func (c *Client) RemoveSlave(ctx context.Context, name string, force bool) (Slave, error) {
	return c.changeSlave(ctx, call{what: "remove slave " + name, build: func(base string) (*http.Request, error) {
		return raw.NewRemoveSlaveRequest(base, name, &wire.RemoveSlaveParams{Force: given(force)})
	}})
}

// changeSlave makes a change. One that says how the slave shall be is safe.
func (c *Client) changeSlave(ctx context.Context, k call) (Slave, error) {
	k.write, k.timeout = true, c.cfg.AttemptTimeout
	var out wire.SlaveAnswer
	err := c.do(ctx, k, &out)
	return out.Slave, err
}
