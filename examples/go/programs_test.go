package examples

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/timelimit"
)

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// child is a process that is killed at the end of the test.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // valid after ended
}

func start(t *testing.T, command ...string) *child {
	t.Helper()
	var words bytes.Buffer
	c := &child{cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.WaitDelay = &words, &words, time.Second
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it may have ended
		<-c.ended                // the kernel keeps this promise
		if t.Failed() {
			t.Logf("%s wrote:\n%s", strings.Join(command, " "), words.String())
		}
	})
	return c
}

// TestPrograms runs both slaves against a real master: what succeeds, what is tried
// again, what fails for good, a panic, and an end in the middle of a task.
func TestPrograms(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals")
	}
	dir := t.TempDir()
	for _, pkg := range []string{"muster/cmd/muster", "muster/examples/go/thumbnails", "muster/examples/go/mailer"} {
		if out, err := exec.Command("go", "build", "-o", dir+string(os.PathSeparator), pkg).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, out)
		}
	}
	api, mail, outbox := address(t), address(t), filepath.Join(dir, "outbox.txt")
	start(t, filepath.Join(dir, "muster"), "master", "--id", "m1", "--data", filepath.Join(dir, "m1"),
		"--raft-listen", address(t), "--api-listen", api, "--bootstrap")
	start(t, filepath.Join(dir, "thumbnails"), "-listen", address(t), "-masters", "http://"+api)
	mailer := start(t, filepath.Join(dir, "mailer"), "-listen", mail, "-masters", "http://"+api, "-outbox", outbox, "-takes", "2s")
	c, err := client.New(client.Config{Addresses: []string{"http://" + api}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), timelimit.Of(t, 2*time.Minute))
	defer cancel()

	for _, x := range []struct {
		kind, expression string
		outcome          client.Outcome
		words            string
		tries            uint32
	}{
		{"thumbnail", "400x200", client.Succeeded, "100x50", 1},
		{"thumbnail", "1x1", client.Succeeded, "1x1", 3},                                   // retryable, twice
		{"thumbnail", "a picture", client.Failed, "is not WIDTHxHEIGHT", 1},                // fatal
		{"thumbnail", "5x0", client.Failed, `the handler of kind "thumbnail" panicked`, 1}, // a panic
		{"thumbnail", "10x10", client.Succeeded, "10x10", 1},                               // the panic cost nothing else
		{"mail", "nobody", client.Failed, "is not the address", 1},
		{"mail", "ann@example.org", client.Succeeded, "sent", 1},
	} {
		done, failed := c.Wait(ctx, submit(ctx, t, c, x.kind, x.expression))
		if failed != nil {
			t.Fatal(failed)
		}
		words := done.Error
		if done.Result != nil {
			words += *done.Result
		}
		if done.Outcome != x.outcome || !strings.Contains(words, x.words) || done.Tries != x.tries {
			t.Errorf("%s %q: %s %q after %d tries, want %s %q after %d", x.kind, x.expression, done.Outcome, words, done.Tries, x.outcome, x.words, x.tries)
		}
	}

	id := submit(ctx, t, c, "mail", "bob@example.org")
	awaitBusy(ctx, t, "http://"+mail)
	if err := mailer.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-mailer.ended:
	case <-time.After(timelimit.Usual(t)):
		t.Fatal("the mailer does not end")
	}
	done, err := c.Wait(ctx, id)
	if err != nil || done.Outcome != client.Succeeded || mailer.err != nil {
		t.Errorf("the task at the end: %+v, %v; the mailer ended with %v", done, err, mailer.err)
	}
	text, err := os.ReadFile(outbox)
	if want := "ann@example.org\nbob@example.org\n"; err != nil || string(text) != want {
		t.Errorf("the outbox has %q, want %q: %v", text, want, err)
	}
	slaves, err := c.Slaves(ctx, client.ReadOptions{})
	if err != nil || !strings.Contains(fmt.Sprint(slaves), "left") {
		t.Errorf("after the goodbye: %+v, %v", slaves, err)
	}
}

// awaitBusy waits until a slave says that one of its two slots is taken.
func awaitBusy(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	web := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: timelimit.Usual(t)}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/available", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // only read from
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"free":1`) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the slave at %s is still idle: %s", url, text)
		}
	}
}

// submit submits until there is a slave for the task.
func submit(ctx context.Context, t *testing.T, c *client.Client, kind, expression string) uint64 {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, timelimit.Usual(t))
		got, err := c.Submit(asking, client.Submission{Kind: kind, Expression: expression}, client.SubmitOptions{})
		cancel()
		if err == nil {
			return got.Task.ID
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("submit %s %q: %v", kind, expression, err)
		}
	}
}
