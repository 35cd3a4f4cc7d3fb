package cluster

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Masters of the versions before greetings begin with Raft's own messages, and hang
// up on a greeting. A cluster can't have both: neither hears the other, and both look
// for a leader without an end. That is said at WARN, since nobody would look for it
// among Raft's complaints.

const (
	// olderEvery is how often it is said, of all masters together.
	olderEvery = time.Minute
	// hangUpsFor is how long a master hangs up on greetings before that is said of it:
	// one that is about to end does so, too, but not for long.
	hangUpsFor = 10 * time.Second
	// maxHangUps bounds the addresses that are remembered.
	maxHangUps = 64
)

// errOlder is what is wrong with a caller that sends no greeting, but Raft's messages.
var errOlder = errors.New("it is a master of a version before masters greet each other")

// errHungUp says that a greeting got no welcome, but the end of the connection.
var errHungUp = errors.New("it hung up on the greeting, as masters of a version before greetings do")

// older tells people of masters that speak an older protocol, seldom.
type older struct {
	log *slog.Logger

	mu      sync.Mutex
	said    time.Time            // under mu
	hangUps map[string]time.Time // the first of a row, by address; under mu
}

// called takes in why a caller was not let in.
func (o *older) called(address string, why error) {
	if errors.Is(why, errOlder) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.say("it calls without a greeting", address, why)
	}
}

// answered takes in what came of a greeting.
func (o *older) answered(address string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !errors.Is(err, errHungUp) {
		delete(o.hangUps, address)
		return
	}
	first, known := o.hangUps[address]
	switch {
	case known && time.Since(first) >= hangUpsFor:
		o.say("it hangs up on greetings", address, err)
	case !known && len(o.hangUps) < maxHangUps:
		o.hangUps[address] = time.Now()
	}
}

// say writes the warning. The caller holds mu.
func (o *older) say(what, address string, why error) {
	if now := time.Now(); o.said.IsZero() || now.Sub(o.said) >= olderEvery {
		o.said = now
		o.log.Warn("a master seems to speak an older protocol; it and this one can't be in one cluster: stop all masters of the older version, then start them in this one",
			"address", address, "what", what, "reason", why)
	}
}

// withoutWelcome is the error of a greeting that brought no welcome.
func withoutWelcome(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: %w", errHungUp, err)
	}
	return fmt.Errorf("no welcome to the greeting: %w", err)
}

// notAGreeting is the error of a connection that begins otherwise. A Raft message begins
// with its kind and a map in MessagePack.
func notAGreeting(head []byte) error {
	const kinds, leastMap, mostMap = 8, 0x80, 0x8f
	if head[0] < kinds && head[1] >= leastMap && head[1] <= mostMap {
		return fmt.Errorf("%w: it begins with %q", errOlder, head)
	}
	switch {
	case beginsHTTP(head):
		return &httpCallerError{head}
	case strings.HasPrefix(string(head), "HTTP/"):
		return errors.New("an HTTP server is there, as at the port of an API: give the Raft address")
	}
	return fmt.Errorf("it begins with %q", head)
}
