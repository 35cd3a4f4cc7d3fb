package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// variants is how many different expressions are submitted. Their results differ, so that
// a task that was mixed up with another is found.
const variants = 16

// expression has the result that result has.
func expression(variant int) string {
	return "(19 * 3) * (1 + 21) - 2 + 17 * 3 - 4 + " + strconv.Itoa(variant)
}

func result(variant int) string { return strconv.Itoa(1299 + variant) }

// item is a task as JSON. It waits if no slot is free, so that no submit is in vain.
func item(variant int) string {
	return `{"expression":"` + expression(variant) + `","when_full":"queue"}`
}

// single is the body of POST /v1/tasks, many that of POST /v1/tasks/batch.
func single(variant int) string { return item(variant) }

func many(n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i % variants)
	}
	return `{"tasks":[` + strings.Join(items, ",") + `]}`
}

// post is a request as it goes over the wire.
func post(url, path, body string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(url, "http://") +
		"\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// client asks on one connection that stays, as cheaply as it can: what it takes of the
// processors, those who are measured don't have.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	body []byte // of the last answer
}

// errDisturbed is why a measurement is worth nothing, and is repeated: something kept a
// cluster from its work, as when another program has the processors and a leader is lost.
var errDisturbed = errors.New("disturbed")

// answerWithin bounds the wait for one answer.
const answerWithin = 30 * time.Second

func dial(ctx context.Context, url string) (*client, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 4<<10)}, nil
}

func (c *client) close() { _ = c.conn.Close() } // nothing is lost with it

// ask sends a request and reads its answer, which must be 201, or 200 for a batch. The body is good until the next one.
func (c *client) ask(request []byte) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	taken := bytes.HasPrefix(line, []byte("HTTP/1.1 20"))
	code := string(bytes.TrimSpace(line))
	length := -1
	for {
		line, err = c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, err
			}
		}
	}
	if err := c.read(length); err != nil {
		return nil, err
	}
	if !taken {
		return nil, fmt.Errorf("%w: a submit was answered %s: %s", errDisturbed, code, c.body[:min(len(c.body), 300)])
	}
	return c.body, nil
}

// read reads a body of a length, or one in chunks if it is not known.
func (c *client) read(length int) error {
	var err error
	if length < 0 {
		if c.body, err = io.ReadAll(httputil.NewChunkedReader(c.in)); err != nil {
			return err
		}
		_, err = c.in.ReadSlice('\n') // the empty line behind the last chunk
		return err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err = io.ReadFull(c.in, c.body)
	return err
}

// ids finds the ids of the tasks in an answer, in order.
func ids(answer []byte, want int, into []uint64) ([]uint64, error) {
	const name = `"id":`
	for range want {
		_, rest, ok := bytes.Cut(answer, []byte(name))
		if !ok {
			return nil, fmt.Errorf("%w: an answer has fewer ids than tasks were submitted: …%s", errDisturbed, answer[max(0, len(answer)-300):])
		}
		var id uint64
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			id = 10*id + uint64(rest[digits]-'0')
			digits++
		}
		if digits == 0 {
			return nil, errors.New("an id is not a number")
		}
		into = append(into, id)
		answer = rest
	}
	return into, nil
}
