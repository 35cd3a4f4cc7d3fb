package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/systemtest/masters"
)

// accepted is what an answer of 201 is counted as. Others are counted by their code,
// and calls without an answer as broken.
const (
	accepted = "accepted"
	broken   = "broken connections"
	redirect = "not_leader"
)

// answerWithin bounds the wait for one answer.
const answerWithin = 30 * time.Second

// client submits on one connection, as cheaply as it can: what it takes of the
// processors the masters don't have.
type client struct {
	urls []string // of masters; it stays with one that does not send it away
	at   int
	host string

	conn net.Conn
	in   *bufio.Reader
}

// submitUntil submits without a pause, whatever the answer, until ctx ends.
func (c *client) submitUntil(ctx context.Context, t *tally) {
	defer c.hangUp()
	for ctx.Err() == nil {
		began := time.Now()
		what, err := c.submit(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			what = broken
			c.hangUp()
			c.at++
			_ = masters.Pause(ctx, 10*time.Millisecond)
		}
		t.add(what, time.Since(began))
	}
}

// submitAll has so many clients submit without a pause for a while.
func submitAll(ctx context.Context, urls []string, clients int, d time.Duration) *tally {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	t := newTally()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { (&client{urls: urls, at: i}).submitUntil(ctx, t) })
	}
	all.Wait()
	t.end()
	return t
}

const body = `{"expression":"1 + 1"}`

// submit submits one task, and returns what came of it.
func (c *client) submit(ctx context.Context) (what string, err error) {
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return "", err
		}
	}
	if err := c.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return "", err
	}
	request := "POST /v1/tasks HTTP/1.1\r\nHost: " + c.host + "\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body
	if _, err := io.WriteString(c.conn, request); err != nil {
		return "", err
	}
	return c.answer()
}

func (c *client) dial(ctx context.Context) error {
	u, err := url.Parse(c.urls[c.at%len(c.urls)])
	if err != nil {
		return err
	}
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	c.host, c.conn, c.in = u.Host, conn, bufio.NewReaderSize(conn, 2<<10)
	return nil
}

func (c *client) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is lost with it
		c.conn = nil
	}
}

// answer reads one answer. One that names another master moves the client there.
func (c *client) answer() (what string, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	_, rest, _ := bytes.Cut(line, []byte(" "))
	status := string(rest[:min(3, len(rest))])
	length, location, closing := 0, "", false
	for {
		line, err = c.in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		name, value, more := strings.Cut(strings.TrimRight(string(line), "\r\n"), ": ")
		if !more {
			break
		}
		switch textproto.CanonicalMIMEHeaderKey(name) {
		case "Content-Length":
			length, err = strconv.Atoi(value)
		case "Location":
			location = value
		case "Connection":
			closing = value == "close"
		}
		if err != nil {
			return "", fmt.Errorf("the header %s: %w", name, err)
		}
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(c.in, content); err != nil {
		return "", err
	}
	if closing {
		c.hangUp()
	}
	switch status {
	case "200", "201", "202":
		return accepted, nil
	case "307":
		c.follow(location)
	}
	return codeOf(status, content), nil
}

// follow goes to the master that an answer names.
func (c *client) follow(location string) {
	c.hangUp()
	for i, u := range c.urls {
		if strings.HasPrefix(location, u) {
			c.at = i
		}
	}
}

// codeOf finds the code in a refusal.
func codeOf(status string, content []byte) string {
	const field = `"code":"`
	if _, rest, ok := bytes.Cut(content, []byte(field)); ok {
		if code, _, ok := bytes.Cut(rest, []byte(`"`)); ok {
			return string(code)
		}
	}
	return "status " + status
}
