package scheduler

import (
	"strings"
	"testing"

	"muster/fsm"
	"muster/task"
)

func TestProposalsGoToTheLogInEntriesThatItTakes(t *testing.T) {
	small := proposal{Proposal: fsm.Proposal{Command: fsm.CancelTask{}}}
	large := proposal{Proposal: fsm.Proposal{Command: fsm.SubmitTask{Spec: task.Spec{
		Parameters: []task.Parameter{{Name: "x", Value: task.Value{Text: strings.Repeat("1", 1<<20)}}},
	}}}}
	huge := proposal{Proposal: fsm.Proposal{Command: fsm.LoseSlave{Begun: make([]task.Attempt, 1<<16)}}}
	for name, c := range map[string]struct {
		ps   []proposal
		want []int
	}{
		"none":    {nil, nil},
		"one":     {[]proposal{small}, []int{1}},
		"many":    {make([]proposal, 3000), []int{1024, 1024, 952}},
		"large":   {[]proposal{large, large, large, large, large, small}, []int{3, 3}},
		"a giant": {[]proposal{small, huge, small}, []int{1, 1, 1}},
	} {
		var got []int
		for f := (inFlight{waiting: c.ps}); len(f.waiting) > 0; {
			got = append(got, len(f.depart()))
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: entries of %v, want %v", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: entries of %v, want %v", name, got, c.want)
			}
		}
	}
}
