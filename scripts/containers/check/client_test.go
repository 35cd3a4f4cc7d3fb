package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// answer is what the tests read of the API's answers.
type answer struct {
	status int
	text   string

	Error string `json:"error"`
	Task  struct {
		ID      int    `json:"id"`
		Status  string `json:"status"`
		Outcome string `json:"outcome"`
		Result  string `json:"result"`
		Slave   string `json:"slave"`
	} `json:"task"`
	Counts struct {
		Done int `json:"done"`
	} `json:"counts"`
	ID      string `json:"id"`
	Role    string `json:"role"`
	Ready   bool   `json:"ready"`
	Masters []struct {
		ID    string `json:"id"`
		Voter bool   `json:"voter"`
	} `json:"masters"`
	Slaves []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		URL   string `json:"url"`
	} `json:"slaves"`
}

// call asks an API once and follows nobody elsewhere.
func (w *world) call(method, url, body string) (answer, error) {
	var a answer
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return a, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	a.status, a.text = resp.StatusCode, string(text)
	return a, json.Unmarshal(text, &a)
}

// submit submits a task at a base URL until it is taken, and returns it.
func (w *world) submit(base, expression string) answer {
	w.t.Helper()
	var a answer
	w.eventually("a task is taken at "+base, func() (err error) {
		a, err = w.call(http.MethodPost, base+"/v1/tasks", `{"expression":"`+expression+`"}`)
		if err == nil && a.status != http.StatusCreated {
			err = fmt.Errorf("%d: %s", a.status, a.text)
		}
		return err
	})
	return a
}

// compute submits a task and waits for its result.
func (w *world) compute(base, expression, want string) {
	w.t.Helper()
	w.result(base, w.submit(base, expression).Task.ID, want)
}

func (w *world) result(base string, id int, want string) {
	w.t.Helper()
	var a answer
	w.eventually("a task's result", func() (err error) {
		a, err = w.call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d?wait=15s&min_index=1", base, id), "")
		if err == nil && (a.status != http.StatusOK || a.Task.Status != "done") {
			err = errors.New(a.text)
		}
		return err
	})
	if a.Task.Outcome != "succeeded" || a.Task.Result != want {
		w.t.Errorf("task %d: %s; want %s", id, a.text, want)
	}
}

// leader returns who says that it leads.
func (w *world) leader(running map[string]*container) *container {
	w.t.Helper()
	var leader *container
	w.eventually("a master leads", func() error {
		for _, c := range running {
			a, err := w.call(http.MethodGet, c.url()+"/v1/status", "")
			if err == nil && a.Role == "leader" {
				leader = c
				return nil
			}
		}
		return errors.New("none does")
	})
	return leader
}

// url is a master's API, as this machine reaches it without names.
func (c *container) url() string { return "http://" + c.at(apiPort) }

// at is a port of a container.
func (c *container) at(port int) string {
	return netip.AddrPortFrom(c.address, uint16(port)).String()
}

// done is how many tasks a master has seen done.
func (w *world) done(base string) int {
	w.t.Helper()
	a, err := w.call(http.MethodGet, base+"/v1/tasks?limit=1&consistency=linearizable", "")
	w.must(err)
	return a.Counts.Done
}

// works waits until a slave without a free slot has begun what it was given.
func (w *world) works(slave *container) {
	w.t.Helper()
	w.eventually(slave.name+" works", func() error {
		a, err := w.call(http.MethodGet, "http://"+slave.at(slavePort)+"/available", "")
		if err == nil && !strings.Contains(a.text, `"available":false`) {
			err = errors.New(a.text)
		}
		return err
	})
}

// slave is the state of a slave in the registry, or "".
func (w *world) slave(base, name string) string {
	w.t.Helper()
	a, err := w.call(http.MethodGet, base+"/v1/slaves?consistency=linearizable", "")
	w.must(err)
	for _, s := range a.Slaves {
		if s.Name == name {
			return s.State
		}
	}
	return ""
}

// muster runs the command line on the host, outside of all containers.
func (w *world) muster(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(w.image.root, "usr/bin/muster"), args...)
	cmd.Env = os.Environ()
	out, err := cmd.CombinedOutput()
	return string(out), err
}
