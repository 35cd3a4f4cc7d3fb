package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
)

// partVariable makes this program one of the processes that it measures: "ROLE ADDRESS".
const partVariable = "MUSTER_BENCH_PART"

// runPart is what such a process does until it is killed.
func runPart(role, address string) error {
	switch role {
	case "gin":
		return serveGin(address)
	case "nats-worker":
		return workForNATS(address)
	default:
		return fmt.Errorf("%s has no role %q", partVariable, role)
	}
}

// serveGin takes the bodies that muster takes, and does nothing with them.
func serveGin(address string) error {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	var next uint64
	lock := make(chan struct{}, 1)
	g.POST("/v1/tasks", func(c *gin.Context) {
		var task struct {
			Expression string `binding:"required" json:"expression"`
			WhenFull   string `json:"when_full"`
		}
		if err := c.ShouldBindJSON(&task); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		lock <- struct{}{}
		next++
		id := next
		<-lock
		c.JSON(http.StatusCreated, gin.H{"id": id})
	})
	server := &http.Server{Addr: address, Handler: g, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// startPart starts this program as another of its processes.
func startPart(dir, name, role, address string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(dir, name, []string{partVariable + "=" + role + " " + address}, self)
}

// measureGin has clients post to a bare gin server.
func measureGin(ctx context.Context, s settings, l load) (sample, error) {
	dir, err := os.MkdirTemp(s.dir, "muster-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory for temporary files
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	p, err := startPart(dir, "gin", "gin", ports[0])
	if err != nil {
		return nil, err
	}
	defer p.stop()
	if err := listening(ctx, p, ports[0]); err != nil {
		return nil, err
	}
	if _, err := l.submit(ctx, "http://"+ports[0], warmUp); err != nil {
		return nil, err
	}
	before, err := used(p.pid())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	t, err := l.submit(ctx, "http://"+ports[0], s.during)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	after, err := used(p.pid())
	if err != nil {
		return nil, err
	}
	n := float64(t.tasks())
	return sample{
		rate:   n / took.Seconds(),
		p50:    t.median(),
		cpuAll: micros(after.own-before.own) / n,
	}, nil
}

// listening waits until a process takes connections.
func listening(ctx context.Context, p *process, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		d := net.Dialer{Timeout: time.Second}
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if err := p.ended(); err != nil {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return errors.New("nobody listens at " + address)
		}
	}
}
