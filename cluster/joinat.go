package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"muster/task/wait"
)

// To join at an address where no other master can be would be to wait for ever. One
// list for all masters is fine, where each finds itself, too; one in which there is
// nobody else is a mistake that people have to correct.

// errItself says that an address to join at is this master's own.
var errItself = errors.New("it is this master's own address")

// ErrMisconfigured is under those errors of Run that last until somebody corrects what
// the master is started with: to start it again as it is would be of no use.
var ErrMisconfigured = errors.New("the configuration can't work")

// misconfigured adds that to an error, and leaves its text as it is.
func misconfigured(err error) error { return &misconfiguredError{err} }

type misconfiguredError struct{ error }

func (e *misconfiguredError) Unwrap() []error { return []error{ErrMisconfigured, e.error} }

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
	case errors.Is(err, ErrSlave), errors.Is(err, ErrRaftPort): // nothing else will be there
		return h, pointless(url, err)
	case err != nil:
		return h, err
	case h.ID == me.ID && h.DiskID == me.DiskID:
		// Perhaps a load balancer, while no other master is up.
		return h, &pointlessError{url: url, why: errItself, passing: true}
	case h.ID == me.ID:
		return h, pointless(url, fmt.Errorf("another master with the same id, %s, answers there", me.ID))
	}
	return h, nil
}

// pointless says why nobody can be joined at an address.
func pointless(url string, why error) error { return &pointlessError{url: url, why: why} }

// pointlessError is an errPointless with a text of its own.
type pointlessError struct {
	url     string
	why     error
	passing bool // it may change without anybody's correction
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
		if err = n.askForOthers(ctx); err == nil || !wait.Sleep(ctx, backoff(round)) {
			return nil
		}
	}
	return err
}

// askForOthers asks at all addresses to join until there may be another master.
func (n *Node) askForOthers(ctx context.Context) error {
	var why []string
	passing := false
	for _, url := range n.cfg.Join {
		_, err := n.helloToJoin(ctx, url, n.identity.get())
		nobody, ok := errors.AsType[*pointlessError](err)
		if !ok {
			return nil
		}
		why = append(why, err.Error())
		passing = passing || nobody.passing
	}
	err := fmt.Errorf("there is no other master to join (%s): name the API address of a master that is in the cluster, and give each master an id of its own", strings.Join(why, "; "))
	if passing {
		return err
	}
	return misconfigured(err)
}
