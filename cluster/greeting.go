package cluster

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A connection to the Raft port begins with a greeting: which cluster calls, which
// of its masters, and whom it means. Raft's own messages don't say, and addresses
// change hands: of virtual machines by DHCP, of containers at every start. Without
// it a leader would take what m3 has on its disk for what m2 has, and the master
// of another cluster would believe a leader that is not its own.
//
// It is no authentication: who wants to lie, can.

const (
	greetingMagic = "mstr"
	// maxGreeting is above what ids of task.MaxNameBytes and a URL of task.MaxURLBytes take.
	maxGreeting = 8 << 10
)

// greeting is what the caller says first.
type greeting struct {
	Cluster string `json:"cluster"`
	From    string `json:"from"`
	To      string `json:"to"`
}

// welcome is the answer.
type welcome struct {
	Refused string `json:"refused,omitempty"` // why; empty: go on
	APIURL  string `json:"api_url,omitempty"`
}

// introduction is what a transport has to know of its master.
type introduction struct {
	id, apiURL string
	// cluster returns the cluster that the disk belongs to or asks to join; empty
	// for none.
	cluster func() string
	// elsewhere returns where else a master may be that is not at an address;
	// empty if nothing is known.
	elsewhere func(id, address string) string
}

// judge returns why a call is not for this master.
func (i *introduction) judge(g greeting) error {
	own := i.cluster()
	switch {
	case g.To != i.id:
		return fmt.Errorf("here is master %s, not %s", i.id, g.To)
	case own == "":
		return fmt.Errorf("master %s belongs to no cluster yet", i.id)
	case g.Cluster != own:
		return fmt.Errorf("master %s belongs to cluster %s, not to %s", i.id, own, g.Cluster)
	}
	return nil
}

// greet says who calls whom, and waits for the welcome. It returns the API URL of who
// is there.
func greet(conn io.ReadWriter, g greeting) (apiURL string, err error) {
	if err := writeFrame(conn, g); err != nil {
		return "", fmt.Errorf("greet: %w", err)
	}
	var w welcome
	if err := readFrame(conn, &w); err != nil {
		return "", withoutWelcome(err)
	}
	if w.Refused != "" {
		return "", errors.New(w.Refused)
	}
	return w.APIURL, nil
}

// receive reads a greeting and answers it. It returns why the caller must not go on.
func receive(conn io.ReadWriter, i *introduction) error {
	var g greeting
	if err := readFrame(conn, &g); err != nil {
		if call, ok := errors.AsType[*httpCallerError](err); ok {
			return errors.Join(err, answerHTTP(conn, call.head, i))
		}
		return fmt.Errorf("what calls is no master of this version: %w", err)
	}
	refused := errors.New("this master is starting")
	if i != nil {
		refused = i.judge(g)
	}
	var w welcome
	if refused == nil {
		w.APIURL = i.apiURL
	} else {
		w.Refused = refused.Error()
		refused = fmt.Errorf("master %s of cluster %s calls: %w", g.From, g.Cluster, refused)
	}
	return errors.Join(refused, writeFrame(conn, w))
}

// writeFrame writes the magic, a length and JSON. It is one write: on a connection
// that is new, no part of it waits for an answer to another.
func writeFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxGreeting {
		return fmt.Errorf("%d bytes are too many", len(body))
	}
	frame := binary.BigEndian.AppendUint16([]byte(greetingMagic), uint16(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}

// readFrame reads what writeFrame wrote, and not a byte more.
func readFrame(r io.Reader, v any) error {
	head := make([]byte, len(greetingMagic)+2)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	size := binary.BigEndian.Uint16(head[len(greetingMagic):])
	if string(head[:len(greetingMagic)]) != greetingMagic || size > maxGreeting {
		return notAGreeting(head)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
