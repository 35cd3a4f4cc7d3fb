package cluster

import (
	"cmp"
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
	// Look says that no message follows: the caller only wants the welcome.
	Look bool `json:"look,omitempty"`
}

// welcome is the answer.
type welcome struct {
	Refused string `json:"refused,omitempty"` // why; empty: go on
	APIURL  string `json:"api_url,omitempty"`
	// Outlook is nil if it is not known, also from a version before there were any.
	Outlook *outlook `json:"outlook,omitempty"`
}

// outlook is how a master sees its cluster, for others that think about an election.
type outlook struct {
	Votes  bool   `json:"votes,omitempty"`  // its Raft runs, and this master votes
	Leader string `json:"leader,omitempty"` // whom it follows, or itself; empty for none
	Stands bool   `json:"stands,omitempty"` // it stands for election
	Hears  bool   `json:"hears,omitempty"`  // it is the leader, or has a connection from it and heard it within Timings.Silence
	Last   logEnd `json:"last"`             // of its log
}

// logEnd is where a log ends. The one with the higher term, then with the higher
// index, is ahead: that is how Raft compares logs before it votes.
type logEnd struct {
	Term  uint64 `json:"term"`
	Index uint64 `json:"index"`
}

func (p logEnd) compare(q logEnd) int {
	return cmp.Or(cmp.Compare(p.Term, q.Term), cmp.Compare(p.Index, q.Index))
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
	outlook   func() outlook // how it sees its cluster
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

// greet says who calls whom, and waits for the welcome. Who is there may refuse, and
// say how it sees its cluster all the same.
func greet(conn io.ReadWriter, g greeting) (welcome, error) {
	if err := writeFrame(conn, g); err != nil {
		return welcome{}, fmt.Errorf("greet: %w", err)
	}
	var w welcome
	if err := readFrame(conn, &w); err != nil {
		return welcome{}, withoutWelcome(err)
	}
	if w.Refused != "" {
		return w, errors.New(w.Refused)
	}
	return w, nil
}

// receive reads a greeting and answers it. It returns why the caller must not go on.
func receive(conn io.ReadWriter, i *introduction) (greeting, error) {
	var g greeting
	if err := readFrame(conn, &g); err != nil {
		if call, ok := errors.AsType[*httpCallerError](err); ok {
			return g, errors.Join(err, answerHTTP(conn, call.head, i))
		}
		return g, fmt.Errorf("what calls is no master of this version: %w", err)
	}
	refused := errors.New("this master is starting")
	w := welcome{Outlook: &outlook{}} // a master that starts neither leads nor votes
	if i != nil {
		refused, w.Outlook = i.judge(g), nil
	}
	if refused == nil {
		w.APIURL = i.apiURL
		if g.Look { // it may take a look into the log, and Raft's own connections need none
			seen := i.outlook()
			w.Outlook = &seen
		}
	} else {
		w.Refused = refused.Error()
		refused = fmt.Errorf("master %s of cluster %s calls: %w", g.From, g.Cluster, refused)
	}
	return g, errors.Join(refused, writeFrame(conn, w))
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
