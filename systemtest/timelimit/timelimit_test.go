package timelimit

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimitsGrowWithTheSlowdown(t *testing.T) {
	for _, c := range []struct {
		slowdown string
		of, want time.Duration
	}{
		{"5", 30 * time.Second, 150 * time.Second},
		{"5", time.Second, time.Minute}, // the least
		{"20", 30 * time.Second, 10 * time.Minute},
		{"1", 2 * time.Minute, 2 * time.Minute},
	} {
		t.Setenv(Variable, c.slowdown)
		if got := Of(t, c.of); got != c.want {
			t.Errorf("%s times slower: the limit of %v is %v, want %v", c.slowdown, c.of, got, c.want)
		}
	}
}

func TestAskingEndsWithTheLimit(t *testing.T) {
	t.Setenv(Variable, "2")
	synctest.Test(t, func(t *testing.T) {
		began, asked := time.Now(), 0
		if err := Poll(t, func(context.Context) error {
			if asked++; asked < 3 {
				return errors.New("not yet")
			}
			return nil
		}); err != nil || asked != 3 {
			t.Errorf("asked %d times: %v", asked, err)
		}
		never := errors.New("never")
		if err := Poll(t, func(context.Context) error { return never }); !errors.Is(err, never) || time.Since(began) < Usual(t) {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestTheScriptHasTheSameSlowdown: the time-outs of go test grow with it, too.
func TestTheScriptHasTheSameSlowdown(t *testing.T) {
	script, err := os.ReadFile("../../scripts/test.sh")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^readonly slowdown="\$\{` + Variable + `:-(\d+)\}"$`).FindSubmatch(script)
	if found == nil || string(found[1]) != strconv.Itoa(Slowdown) {
		t.Errorf("scripts/test.sh says %q, want %d", found, Slowdown)
	}
}
