package slave_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"muster/slave"
	"muster/task"
)

func nothing(context.Context, task.Order) (task.Value, error) { return task.Value{}, nil }

func goodConfig() slave.Config {
	return slave.Config{
		Name: "slave-1", Listen: "127.0.0.1:0", Masters: &masters{refusal: errors.New("no master answers")},
		Kinds: []slave.Kind{{Name: "sleep", Handle: nothing}},
	}
}

func TestConfigIsChecked(t *testing.T) {
	if _, err := slave.New(goodConfig()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*slave.Config){
		"no name":        func(c *slave.Config) { c.Name = "" },
		"long name":      func(c *slave.Config) { c.Name = strings.Repeat("x", task.MaxNameBytes+1) },
		"nowhere":        func(c *slave.Config) { c.Listen = "" },
		"negative slots": func(c *slave.Config) { c.Slots = -1 },
		"too many slots": func(c *slave.Config) { c.Slots = task.MaxSlots + 1 },
		"two executors": func(c *slave.Config) {
			c.Kinds = []slave.Kind{{Name: "sleep", Handle: nothing, Begin: func([]task.Order, func([]task.Ending)) func(int, error) { return nil }}}
		},
		"no masters":       func(c *slave.Config) { c.Masters = nil },
		"no kinds":         func(c *slave.Config) { c.Kinds = nil },
		"kind twice":       func(c *slave.Config) { c.Kinds = append(c.Kinds, c.Kinds[0]) },
		"kind, no name":    func(c *slave.Config) { c.Kinds = []slave.Kind{{Handle: nothing}} },
		"kind, no handler": func(c *slave.Config) { c.Kinds = []slave.Kind{{Name: "x"}} },
		"negative drain":   func(c *slave.Config) { c.DrainTimeout = -1 },
		"negative silence": func(c *slave.Config) { c.SilenceTimeout = -1 },
		"path only":        func(c *slave.Config) { c.Advertise = "/slave" },
		"no scheme":        func(c *slave.Config) { c.Advertise = "10.0.0.5:9001" },
		"other scheme":     func(c *slave.Config) { c.Advertise = "ftp://10.0.0.5:9001" },
		"no host":          func(c *slave.Config) { c.Advertise = "http://:9001" },
		"port 0":           func(c *slave.Config) { c.Advertise = "http://10.0.0.5:0" },
		"wildcard":         func(c *slave.Config) { c.Advertise = "http://0.0.0.0:9001" },
		"wildcard 6":       func(c *slave.Config) { c.Advertise = "http://[::]:9001" },
		"mapped wildcard":  func(c *slave.Config) { c.Advertise = "http://[::ffff:0.0.0.0]:9001" },
		"query":            func(c *slave.Config) { c.Advertise = "http://10.0.0.5:9001/?x=1" },
		"empty query":      func(c *slave.Config) { c.Advertise = "http://10.0.0.5:9001/admin?" },
		"empty fragment":   func(c *slave.Config) { c.Advertise = "http://10.0.0.5:9001/admin#" },
		"dot segments":     func(c *slave.Config) { c.Advertise = "http://10.0.0.5:9001/a/%2e%2e/admin" },
		"leading zero":     func(c *slave.Config) { c.Advertise = "http://10.0.0.5:09001" },
		"invisible host":   func(c *slave.Config) { c.Advertise = "http://ho\u200bst:9001" },
		"wide dot":         func(c *slave.Config) { c.Advertise = "http://ho\uff0est:9001" },
		"empty segment":    func(c *slave.Config) { c.Advertise = "http://10.0.0.5:9001/a//" },
		"empty path":       func(c *slave.Config) { c.Advertise = "http://10.0.0.5:9001//" },
		"user":             func(c *slave.Config) { c.Advertise = "http://me@10.0.0.5:9001" },
		"label, no name":   func(c *slave.Config) { c.Labels = map[string]string{"": "x"} },
		"long label": func(c *slave.Config) {
			c.Labels = map[string]string{"x": strings.Repeat("x", task.MaxLabelValueBytes+1)}
		},
		"long version": func(c *slave.Config) { c.Version = strings.Repeat("x", task.MaxVersionBytes+1) },
		"long URL":     func(c *slave.Config) { c.Advertise = "http://h/" + strings.Repeat("x", task.MaxURLBytes) },
	} {
		c := goodConfig()
		spoil(&c)
		if _, err := slave.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Listening on every address needs a URL to be called by; the error says so.
func TestWildcardNeedsAdvertise(t *testing.T) {
	c := goodConfig()
	c.Listen = ":0"
	s, err := slave.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "advertise") {
		t.Fatalf("got %v", err)
	}
}

// On a real address the URL follows from it.
func TestAdvertiseDefault(t *testing.T) {
	c := goodConfig()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var url string
	c.Listening = func(u string) { url = u; cancel() }
	s, err := slave.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(url, "http://127.0.0.1:") || strings.HasSuffix(url, ":0") {
		t.Fatalf("URL %q", url)
	}
}

func TestAddressInUse(t *testing.T) {
	c := goodConfig()
	c.Listening = func(url string) {
		second := goodConfig()
		second.Listen = strings.TrimPrefix(url, "http://")
		s, err := slave.New(second)
		if err != nil {
			t.Error(err)
			return
		}
		if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), second.Listen) {
			t.Errorf("got %v", err)
		}
	}
	s, err := slave.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
}
