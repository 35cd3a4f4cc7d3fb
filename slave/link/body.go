package link

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"muster/api/wire"
	"muster/task"
)

// Anybody who reaches a slave may begin a large body and not end it. There is one
// leader, and at times a deposed one: of large bodies only so many are read at
// once.
const (
	smallBody   = 32 << 10 // of these there may be any number
	largeBodies = 2
	roomWait    = time.Second // for another to be read
)

var errNoRoom = errors.New("the slave reads as many large bodies as it has room for; try again")

// bodies has a place for each large body that is being read.
type bodies chan struct{}

// read reads one JSON value and nothing after it. Unknown fields are let pass: a
// leader of a newer version may send some. What quickly reads is not read again.
func (b bodies) read(rw http.ResponseWriter, r *http.Request, limit int64, into any, quickly func(text []byte) bool) error {
	body := http.MaxBytesReader(rw, r.Body, limit)
	var text bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= smallBody {
		text.Grow(int(n) + bytes.MinRead)
	}
	_, err := io.CopyN(&text, body, smallBody)
	if err == nil {
		if err := b.enter(r); err != nil {
			return err
		}
		defer func() { <-b }()
		if r.ContentLength > smallBody && r.ContentLength <= limit {
			text.Grow(int(r.ContentLength) - smallBody + bytes.MinRead)
		}
		_, err = text.ReadFrom(body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the body: %w", err)
	}
	if quickly != nil && quickly(text.Bytes()) {
		return nil
	}
	if err := json.Unmarshal(text.Bytes(), into); err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	if err := checkFields(text.Bytes()); err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	if at := wire.LoneSurrogate(text.Bytes()); at >= 0 {
		return fmt.Errorf("read the body: at byte %d is half of a character", at)
	}
	return nil
}

func (b bodies) enter(r *http.Request) error {
	wait := time.NewTimer(roomWait)
	defer wait.Stop()
	select {
	case b <- struct{}{}:
		return nil
	case <-r.Context().Done():
	case <-wait.C:
	}
	return errNoRoom
}

// orders are read one by one: as many as fit into a body would take many times
// its size.
type orders []order

// UnmarshalJSON reads a list of as many as a slave can have slots.
func (o *orders) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('[') {
		return errors.New("the tasks are not a list")
	}
	for *o = (orders{}); dec.More(); {
		if len(*o) == task.MaxSlots {
			return fmt.Errorf("more than %d tasks at once; no slave has more slots", task.MaxSlots)
		}
		var one order
		if err := dec.Decode(&one); err != nil {
			return err
		}
		if _, err := one.toTask(); err != nil {
			return err // before there are many of the kind
		}
		*o = append(*o, one)
	}
	return nil
}
