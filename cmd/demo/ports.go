package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range from which systems give ports to
// outgoing connections: otherwise one of those could hold the port of a killed
// master at the moment when it is started again.
const (
	lowestPort  = 20_000
	highestPort = 32_000
)

// freeAddresses returns n addresses on loopback that nobody listens on. All are
// held until all are found, so they differ; somebody else may still take one
// before it is used, and the caller then starts over with others.
func freeAddresses(ctx context.Context, n int) ([]string, error) {
	var lc net.ListenConfig
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close() // it was only held
		}
	}()
	var addresses []string
	var last error
	for tries := 0; len(addresses) < n; tries++ {
		if tries > 100*n {
			return nil, fmt.Errorf("find %d free ports on 127.0.0.1 between %d and %d: %w", n, lowestPort, highestPort, last)
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort) //nolint:gosec // chance is all that is asked for
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			last = errors.Join(errNotFree, err)
			continue
		}
		listeners = append(listeners, l)
		addresses = append(addresses, address)
	}
	return addresses, nil
}

var errNotFree = errors.New("the port is taken")
