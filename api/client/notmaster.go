package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"muster/task"
)

// headerPort is in the answer of a master's Raft port to an HTTP request, with portRaft.
const headerPort, portRaft = "Muster-Port", "raft"

// maxAvailability is more than a slave says of its slots.
const maxAvailability = 4 << 10

// notMaster is the error of an answer that is no master's. Unlike other servers, a
// slave is told: its address was given by mistake, and asking again is of no use.
func (c *Client) notMaster(ctx context.Context, base string, status int) error {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if c.isSlave(ctx, base) {
			return &Error{
				Status: status, Code: task.CodeNotFound, Address: base, cause: ErrSlave,
				Message: fmt.Sprintf("no master is at %s; give the address of a master's API", base),
			}
		}
	}
	return &silence{address: base, cause: fmt.Errorf("what answered with HTTP status %d is not a master", status), sent: true}
}

// isSlave asks, as anybody may ask a slave, how many slots are free.
func (c *Client) isSlave(ctx context.Context, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.AttemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/available", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }() // what it says is known
	var says struct {
		Incarnation string `json:"incarnation"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, maxAvailability)).Decode(&says)
	return err == nil && resp.StatusCode == http.StatusOK && says.Incarnation != ""
}
