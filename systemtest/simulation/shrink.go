package simulation

import (
	"fmt"
	"slices"
	"strings"
)

// maxTries bounds the runs in which a script is made shorter.
const maxTries = 300

// shrink leaves out of a failing script what it fails without: actions, kinds of noise,
// slaves. What fails after that may be something else; it is as good a thing to look at.
func shrink(s *script) *script {
	tries := 0
	fails := func(c *script) bool {
		tries++
		return tries <= maxTries && simulate(c, newTrace(false, false)).failure != ""
	}
	for smaller := true; smaller && tries < maxTries; {
		smaller = false
		for size := max(1, len(s.actions)/2); size > 0; size /= 2 {
			for at := 0; at+size <= len(s.actions); {
				c := *s
				c.actions = slices.Delete(slices.Clone(s.actions), at, at+size)
				if fails(&c) {
					s, smaller = &c, true
				} else {
					at += size
				}
			}
		}
		for n := noise(1); n <= allNoise; n <<= 1 {
			if c := *s; s.noise&n != 0 {
				if c.noise &^= n; fails(&c) {
					s, smaller = &c, true
				}
			}
		}
		for len(s.machines) > 1 {
			c := *s
			if c.machines = s.machines[:len(s.machines)-1]; !fails(&c) {
				break
			}
			s, smaller = &c, true
		}
	}
	return s
}

func (s *script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %d slaves, noise: %v, settings %+v\n", s.seed, len(s.machines), s.noise, s.settings)
	for i, m := range s.machines {
		fmt.Fprintf(&b, "  slave s%d: %d slots, kinds %v, labels %v, from %v\n", i+1, m.slots, m.kinds, m.labels, m.from)
	}
	for _, a := range s.actions {
		fmt.Fprintf(&b, "  %v\n", a)
	}
	return b.String()
}
