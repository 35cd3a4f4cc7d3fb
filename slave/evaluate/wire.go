package evaluate

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"muster/task"
)

// The slave and a child exchange frames over the child's stdin and stdout: four
// bytes of length, big-endian, then JSON. Both ends are the same executable.

// maxFrame is above anything that task's limits allow.
const maxFrame = 4 << 20

// request asks a child to compute an order, or to give one up.
type request struct {
	ID         uint64           `json:"id"`
	Cancel     bool             `json:"cancel,omitempty"`
	Expression string           `json:"expression,omitempty"`
	Parameters []task.Parameter `json:"parameters,omitempty"`
}

// response is a child's answer to a request that was not a cancel.
type response struct {
	ID    uint64     `json:"id"`
	Value task.Value `json:"value"`
	Error string     `json:"error,omitempty"`
	// Stopped: the request was given up before it had a result.
	Stopped bool `json:"stopped,omitempty"`
}

func writeFrame(w *bufio.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(body)))
	if _, err := w.Write(size[:]); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

func readFrame(r *bufio.Reader, v any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxFrame {
		return errors.New("a frame is too large")
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("decode a frame: %w", err)
	}
	return nil
}

// frames writes frames from many goroutines. What is written while another frame
// is on its way goes out with it.
type frames struct {
	queue chan any
	done  chan struct{} // closed when nothing is written any more
}

// newFrames starts a writer; it ends when stop is closed or w fails, and calls
// failed in the latter case.
func newFrames(w io.Writer, stop <-chan struct{}, failed func(error)) *frames {
	f := &frames{queue: make(chan any, 256), done: make(chan struct{})}
	go func() {
		defer close(f.done)
		if err := f.write(bufio.NewWriterSize(w, 64<<10), stop); err != nil {
			failed(err)
		}
	}()
	return f
}

func (f *frames) write(w *bufio.Writer, stop <-chan struct{}) error {
	for {
		var v any
		select {
		case v = <-f.queue:
		default:
			if err := w.Flush(); err != nil {
				return err
			}
			select {
			case v = <-f.queue:
			case <-stop:
				return nil
			}
		}
		if err := writeFrame(w, v); err != nil {
			return err
		}
	}
}

// send hands a frame over. It reports false when nothing is written any more, or
// when stop is closed while the other side reads nothing.
func (f *frames) send(v any, stop <-chan struct{}) bool {
	select {
	case f.queue <- v:
		return true
	case <-f.done:
	case <-stop:
	}
	return false
}
