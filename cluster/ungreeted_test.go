package cluster

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// words is a log that a test reads while others write.
type words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) count(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.text.String(), what)
}

// A master of the versions before greetings is real Raft over its own transport. It
// calls with Raft's first message, and hangs up on a greeting.
func TestAMasterBeforeGreetingsIsSaidAtWarn(t *testing.T) {
	var log words
	tr := NewTransport(TransportConfig{Listener: listen(t), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	tr.introduce(as("m2"))
	defer closeTransport(t, tr)
	before, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, 5*time.Second, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := before.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range 20 {
		var resp raft.RequestVoteResponse
		req := &raft.RequestVoteRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, Addr: []byte("m1:1")}, Term: 1}
		if err := before.RequestVote("m2", tr.LocalAddr(), req, &resp); err == nil {
			t.Fatal("it was heard")
		}
	}
	// The line is written before the connection is closed.
	if n := log.count("level=WARN msg=\"a master seems to speak an older protocol"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log.text.String())
	}
	if log.count("address=127.0.0.1:") == 0 {
		t.Errorf("no address in:\n%s", log.text.String())
	}
	if _, err := tr.hail(t.Context(), "m1", string(before.LocalAddr())); err == nil || !strings.Contains(err.Error(), "version before greetings") {
		t.Errorf("calling it: %v", err)
	}
}

// Whatever else calls is no master of an older version.
func TestOthersAreNotTakenForOlderMasters(t *testing.T) {
	var log words
	o := &older{log: slog.New(slog.NewTextHandler(&log, nil)), hangUps: map[string]time.Time{}}
	for _, said := range []string{"GET / HTTP/1.1\r\n", "SSH-2.0-x", "\x16\x03\x01\x02\x00\x01", strings.Repeat("\x00", 16), "mst", ""} {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = io.WriteString(theirs, said) // the other end hangs up
			_ = theirs.Close()
		}()
		_, err := receive(ours, nil)
		o.called("a", err)
		_ = ours.Close()
	}
	if n := log.count("WARN"); n != 0 {
		t.Errorf("%d warnings:\n%s", n, log.text.String())
	}
}

// A master that ends may hang up on a greeting; one of an older version does so every time.
func TestHangingUpIsSaidWhenItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log words
		o := &older{log: slog.New(slog.NewTextHandler(&log, nil)), hangUps: map[string]time.Time{}}
		hangUp := withoutWelcome(io.EOF)
		for range 30 { // restarts, each with a welcome after it
			o.answered("m1:7101", hangUp)
			time.Sleep(2 * time.Second)
			o.answered("m1:7101", hangUp)
			o.answered("m1:7101", nil)
		}
		if n := log.count("WARN"); n != 0 {
			t.Fatalf("%d warnings of a master that restarts:\n%s", n, log.text.String())
		}
		for range 180 { // in three minutes
			o.answered("m1:7101", hangUp)
			time.Sleep(time.Second)
		}
		if n := log.count("it hangs up on greetings"); n != 3 {
			t.Errorf("%d warnings in three minutes:\n%s", n, log.text.String())
		}
		for i := range 1000 {
			o.answered(strings.Repeat("x", i), hangUp)
		}
		if len(o.hangUps) > maxHangUps {
			t.Errorf("%d addresses are remembered", len(o.hangUps))
		}
	})
}
