package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"muster/systemtest/timelimit"
)

// answering is a transport at an address of its own whose master, of a cluster,
// answers every heartbeat.
func answering(t *testing.T, id, cluster string) (Transport, string) {
	t.Helper()
	tr := NewTransport(TransportConfig{Listener: listen(t)})
	tr.introduce(introduction{id: id, apiURL: "http://" + id, cluster: func() string { return cluster }, elsewhere: as(id).elsewhere, outlook: as(id).outlook})
	tr.SetHeartbeatHandler(func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil) })
	t.Cleanup(func() { closeTransport(t, tr) })
	return tr, string(tr.LocalAddr())
}

// calling is the transport of m1 of the cluster "c".
func calling(t *testing.T, elsewhere func(id, address string) string) Transport {
	t.Helper()
	tr := NewTransport(TransportConfig{Listener: listen(t)})
	i := as("m1")
	if elsewhere != nil {
		i.elsewhere = elsewhere
	}
	tr.introduce(i)
	t.Cleanup(func() { closeTransport(t, tr) })
	return tr
}

// heartbeat sends one to a master and reports whether it was answered.
func heartbeat(from Transport, id, address string) error {
	req := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3, Addr: []byte("m1:1")}, Term: 1}
	var resp raft.AppendEntriesResponse
	return from.AppendEntries(raft.ServerID(id), raft.ServerAddress(address), req, &resp)
}

// TestAMessageReachesOnlyTheMasterThatItIsFor: addresses change hands.
func TestAMessageReachesOnlyTheMasterThatItIsFor(t *testing.T) {
	_, m2 := answering(t, "m2", "c")
	_, stranger := answering(t, "m2", "another cluster")
	_, empty := answering(t, "m2", "")
	from := calling(t, nil)
	for name, c := range map[string]struct{ id, address, want string }{
		"the right one":         {"m2", m2, ""},
		"another master":        {"m3", m2, "here is master m2, not m3"},
		"another cluster's":     {"m2", stranger, "belongs to cluster another cluster, not to c"},
		"one of no cluster yet": {"m2", empty, "belongs to no cluster yet"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := from.hail(t.Context(), c.id, c.address)
			if url := w.APIURL; (url == "http://m2") != (c.want == "") {
				t.Errorf("its API URL is said to be %q", w.APIURL)
			}
			for what, err := range map[string]error{"a heartbeat": heartbeat(from, c.id, c.address), "a hail": err} {
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v; want %q", what, err, c.want)
				}
			}
		})
	}
}

// TestAMasterIsFoundElsewhere when it is not where it was: also if somebody else is
// there now, or nobody who even refuses.
func TestAMasterIsFoundElsewhere(t *testing.T) {
	_, m2 := answering(t, "m2", "c")
	_, m3 := answering(t, "m3", "c")
	gone := listen(t)
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	mute := listen(t) // its backlog takes the call, and nobody answers
	defer func() { _ = mute.Close() }()
	for name, old := range map[string]string{"nobody": gone.Addr().String(), "another master": m3, "silence": mute.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			from := calling(t, func(id, _ string) string { return map[string]string{"m2": m2}[id] })
			if err := heartbeat(from, "m2", old); err != nil {
				t.Errorf("m2 was not found: %v", err)
			}
			if err := heartbeat(from, "m3", gone.Addr().String()); err == nil {
				t.Error("m3 answered where nobody is")
			}
		})
	}
	from := calling(t, func(string, string) string { return m3 })
	if err := heartbeat(from, "m2", gone.Addr().String()); err == nil || !strings.Contains(err.Error(), "here is master m3, not m2") {
		t.Errorf("at neither place: %v", err)
	}
}

func TestACallWithoutAGreetingIsNotHeard(t *testing.T) {
	tr, at := answering(t, "m2", "c")
	for name, said := range map[string][]byte{
		"Raft's first byte": bytes.Repeat([]byte{0}, 64),
		"half of HTTP":      []byte("GET / HTTP/9\r\n\r\n"),
		"no JSON":           append([]byte(greetingMagic), 0, 2, '{', '{'),
	} {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(said); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(timelimit.Usual(t))); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: read %d bytes, %v; want the end", name, n, err)
		}
		_ = conn.Close()
	}
	select {
	case rpc := <-tr.Consumer():
		t.Errorf("Raft was given %+v", rpc.Command)
	default:
	}
}

func TestAGreetingIsBounded(t *testing.T) {
	for size, fits := range map[int]bool{maxGreeting: true, maxGreeting + 1: false} {
		frame := binary.BigEndian.AppendUint16([]byte(greetingMagic), uint16(size))
		frame = append(append(frame, "{}"...), bytes.Repeat([]byte{' '}, size-2)...)
		if err := readFrame(bytes.NewReader(frame), new(greeting)); (err == nil) != fits {
			t.Errorf("of %d bytes: %v", size, err)
		}
	}
}

// TestAHailEndsWithItsContext, whoever is silent at the other end.
func TestAHailEndsWithItsContext(t *testing.T) {
	mute := listen(t)
	defer func() { _ = mute.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := calling(t, nil).hail(ctx, "m2", mute.Addr().String()); err == nil || time.Since(begin) > timelimit.Usual(t) {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

func TestNamedAddressesAreSplitAsTheyWereJoined(t *testing.T) {
	for _, id := range []string{"m1", "m@1", "@", ""} {
		for _, address := range []string{"10.0.0.1:7101", "[fd00::1]:7101", "m1.example:7101"} {
			gotID, gotAddress := splitNamed(named(raft.ServerID(id), raft.ServerAddress(address)))
			if gotID != id || gotAddress != address {
				t.Errorf("%q and %q became %q and %q", id, address, gotID, gotAddress)
			}
		}
	}
}

func FuzzGreeting(f *testing.F) {
	var frame bytes.Buffer
	if err := writeFrame(&frame, greeting{Cluster: "c", From: "m1", To: "m2"}); err != nil {
		f.Fatal(err)
	}
	f.Add(frame.Bytes())
	f.Add([]byte("mstr\x00\x02{}"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		self := as("m2")
		_, _ = receive(duplex{bytes.NewReader(data), io.Discard}, &self) // it must only not panic
	})
}

// duplex is what was said, and where the answer goes.
type duplex struct {
	io.Reader
	io.Writer
}
