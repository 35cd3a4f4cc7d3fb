package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// To join at an address where no other master can be would be to wait for ever. One
// list for all masters is fine, where each finds itself, too; one in which there is
// nobody else is a mistake that people have to correct.

// errItself says that an address to join at is this master's own.
var errItself = errors.New("it is this master's own address")

// errPointless is under the errors that say that nobody can be joined at an address.
var errPointless = errors.New("nobody can be joined there")

// helloToJoin asks the master at one of the addresses to join who it is. It is
// errPointless where the answer is that no other master is there.
func (n *Node) helloToJoin(ctx context.Context, url string, me identity) (Hello, error) {
	if url == n.cfg.APIURL {
		return Hello{}, pointless(url, errItself)
	}
	h, err := n.hello(ctx, url)
	switch {
	case errors.Is(err, ErrSlave):
		return h, pointless(url, ErrSlave)
	case err != nil:
		return h, err
	case h.ID == me.ID && h.DiskID == me.DiskID:
		return h, pointless(url, errItself)
	case h.ID == me.ID:
		return h, pointless(url, fmt.Errorf("another master with the same id, %s, answers there", me.ID))
	}
	return h, nil
}

// pointless says why nobody can be joined at an address.
func pointless(url string, why error) error { return &pointlessError{url, why} }

// pointlessError is an errPointless with a text of its own.
type pointlessError struct {
	url string
	why error
}

func (e *pointlessError) Error() string   { return e.url + ": " + e.why.Error() }
func (e *pointlessError) Unwrap() []error { return []error{errPointless, e.why} }

// pointlessRounds is how often it must turn out that nobody is there. An address may be
// a load balancer's, which leads to one master now and to another the next time.
const pointlessRounds = 5

// nobodyToJoin returns an error if there is no other master at any of the addresses
// to join.
func (n *Node) nobodyToJoin(ctx context.Context) error {
	var err error
	for round := range pointlessRounds {
		if err = n.askForOthers(ctx); err == nil || !sleep(ctx, backoff(round)) {
			return nil
		}
	}
	return err
}

// askForOthers asks at all addresses to join until there may be another master.
func (n *Node) askForOthers(ctx context.Context) error {
	var why []string
	for _, url := range n.cfg.Join {
		_, err := n.helloToJoin(ctx, url, n.identity.get())
		if !errors.Is(err, errPointless) {
			return nil
		}
		why = append(why, err.Error())
	}
	return fmt.Errorf("there is no other master to join (%s): name the API address of a master that is in the cluster, and give each master an id of its own", strings.Join(why, "; "))
}
