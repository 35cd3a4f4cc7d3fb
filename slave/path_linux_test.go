package slave_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/api/client"
	"muster/slave"
	"muster/slave/evaluate"
	"muster/slave/link"
	"muster/task"
)

// roleEnv makes the test binary another process.
const (
	roleEnv    = "MUSTER_TEST_SLAVE_ROLE"
	mastersEnv = "MUSTER_TEST_SLAVE_MASTERS"
	profileEnv = "MUSTER_TEST_SLAVE_PROFILE" // a file for the slave's CPU profile; for people
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "slave":
		err = slaveProcess()
	case "child":
		err = evaluate.ServeChild(context.Background(), os.Stdin, os.Stdout)
	}
	if err != nil {
		panic(err)
	}
}

// slaveProcess is a slave that evaluates expressions until its input ends. Then it
// prints what it and its children used.
func slaveProcess() error {
	if path := os.Getenv(profileEnv); path != "" {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := os.Setenv(roleEnv, "child"); err != nil {
		return err
	}
	pool, err := evaluate.NewPool(evaluate.PoolConfig{Command: []string{"/proc/self/exe"}})
	if err != nil {
		return err
	}
	masters, err := client.New(client.Config{Addresses: []string{os.Getenv(mastersEnv)}})
	if err != nil {
		return err
	}
	defer masters.Close()
	s, err := slave.New(slave.Config{
		Name: "slave-1", Listen: "127.0.0.1:0", Slots: 1024, Masters: masters,
		Kinds: []slave.Kind{{Name: task.KindExpression, Idempotent: true, Begin: pool.Begin}},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { // the process's end is its end
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := errors.Join(s.Run(ctx), pool.Close()); err != nil {
		return err
	}
	var own, children syscall.Rusage
	if err := errors.Join(syscall.Getrusage(syscall.RUSAGE_SELF, &own), syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(usage{cpu(own), cpu(children)})
}

// usage is the CPU time of a slave and of its children.
type usage struct{ Slave, Children time.Duration }

func cpu(r syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// benchMasters answer a slave that reports, in as few words as masters can.
type benchMasters struct {
	registered chan task.Registration
	reported   chan int
}

func (m *benchMasters) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/v1/slaves":
		var said struct{ Name, URL, Incarnation string }
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
			panic(err)
		}
		m.registered <- task.Registration{Name: said.Name, URL: said.URL, Incarnation: said.Incarnation}
		_, _ = io.WriteString(rw, `{"slave":{}}`)
	case "/v1/results":
		var said struct {
			Results []struct {
				ID      uint64
				Attempt uint32
				Result  string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
			panic(err)
		}
		var b strings.Builder
		for i, one := range said.Results {
			if one.Result != "14" {
				panic("a wrong result: " + one.Result)
			}
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"id":%d,"attempt":%d,"accepted":true}`, one.ID, one.Attempt)
		}
		_, _ = io.WriteString(rw, `{"results":[`+b.String()+`]}`)
		m.reported <- len(said.Results)
	default:
		_, _ = io.WriteString(rw, `{"slave":{}}`)
	}
}

// BenchmarkPath takes tasks all the way from a leader through a slave's process and
// its children's to the report. Sends follow each other when all of the last one is
// reported.
func BenchmarkPath(b *testing.B) {
	for _, n := range []int{1, 16, 64, 512} {
		b.Run(fmt.Sprintf("orders=%d", n), func(b *testing.B) { benchmarkPath(b, n) })
	}
}

func benchmarkPath(b *testing.B, n int) {
	b.Helper()
	m := &benchMasters{registered: make(chan task.Registration, 16), reported: make(chan int, 16)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	defer serving.Wait()
	defer func() { _ = server.Close() }()

	process := exec.CommandContext(b.Context(), os.Args[0])
	process.Env = append(os.Environ(), roleEnv+"=slave", mastersEnv+"=http://"+l.Addr().String())
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	self := <-m.registered
	sender := link.NewSender(link.SenderConfig{})
	defer sender.Close()

	orders := make([]task.Order, n)
	for i := range orders {
		orders[i] = task.Order{
			Attempt: 1, Kind: task.KindExpression, Expression: "2+3*x", TimeoutMS: 300_000,
			Parameters: []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: "4"}}},
		}
	}
	id, sequence, total := task.ID(0), uint64(0), 0
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range orders {
			id++
			orders[i].ID = id
		}
		sequence++
		receipts, _, err := sender.Send(b.Context(), self.URL, task.Stamp{Cluster: "c", Term: 1, Sequence: sequence}, self.Incarnation, orders)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range receipts {
			if r.Status != task.Accepted {
				b.Fatalf("%+v", r)
			}
		}
		for left := n; left > 0; {
			left -= <-m.reported
		}
		total += n
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	_ = stdin.Close()
	var used usage
	if err := json.NewDecoder(stdout).Decode(&used); err != nil {
		b.Fatal(err)
	}
	if err := process.Wait(); err != nil {
		b.Fatal(err)
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(total) / 1000 }
	b.ReportMetric(per(used.Slave), "slave-µs/task")
	b.ReportMetric(per(used.Children), "child-µs/task")
	b.ReportMetric(per(cpu(after)-cpu(before)), "leader-µs/task")
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(per(b.Elapsed()), "µs/task")
}
