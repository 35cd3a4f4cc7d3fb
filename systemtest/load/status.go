package main

import (
	"context"
	"time"

	"muster/systemtest/masters"
)

// askStatus asks all masters for their status, several times a second: health and
// state must be seen of a cluster that is overloaded.
func askStatus(ctx context.Context, c *cluster, t *tally) {
	for masters.Pause(ctx, 200*time.Millisecond) == nil {
		for _, url := range c.URLs {
			began := time.Now()
			asked, cancel := context.WithTimeout(ctx, 5*time.Second)
			_, err := c.API.Status(asked, url, false)
			cancel()
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				t.add("status unanswered", time.Since(began))
			default:
				t.add("status", time.Since(began))
			}
		}
	}
}
