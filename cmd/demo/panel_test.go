package demo

import (
	"strings"
	"testing"

	"muster/api/client"
)

func somePanel() panel {
	counts := client.Counts{Submitted: 10, Pending: 1, InProgress: 2, Done: 7}
	return panel{
		acknowledged: 9, load: true,
		picture: picture{
			masters: []masterPicture{
				{name: "m1", runs: true, status: &client.Status{Role: client.RoleLeader, Term: 3, AppliedIndex: 128, LeaderID: "m1", Counts: counts}},
				{name: "m2", runs: true, status: &client.Status{Role: client.RoleFollower, Term: 3, AppliedIndex: 127, LeaderID: "m1"}},
				{name: "m3"},
				{name: "m4", runs: true, frozen: true},
				{name: "m5", runs: true},
				{name: "m6", runs: true, status: &client.Status{Role: client.RoleFollower, Term: 3, AppliedIndex: 5}},
			},
			slaves: []slavePicture{
				{name: "slave-1", runs: true, entry: &client.Slave{Slots: 1, Busy: 1, State: client.SlaveAlive}},
				{name: "slave-2", runs: true, entry: &client.Slave{Slots: 2, State: client.SlaveAlive}},
				{name: "slave-3", entry: &client.Slave{Slots: 1, State: client.SlaveAlive}},
				{name: "slave-4", entry: &client.Slave{Slots: 1, State: client.SlaveLost}},
				{name: "slave-5", runs: true, frozen: true},
				{name: "slave-6", runs: true, entry: &client.Slave{Slots: 1, State: client.SlaveLost}},
				{name: "slave-7", runs: true},
			},
		},
	}
}

func TestPanel(t *testing.T) {
	got := strings.Join(somePanel().lines(paint{}, 80), "\n")
	want := strings.Repeat("─", 79) + `
 m1  leader   term 3  index 128           slave-1  busy  1 of 1 slot
 m2  follower term 3  index 127           slave-2  free  0 of 2 slots
 m3  dead                                 slave-3  dead (not yet noticed)
 m4  frozen                               slave-4  dead
 m5  silent                               slave-5  frozen
 m6  looks for a leader term 3  index 5   slave-6  lost
                                          slave-7  unknown
 tasks: 1 pending, 2 in progress, 7 done; 9 acknowledged to us; load on
`
	if !strings.HasPrefix(got, want) {
		t.Errorf("panel\n%s\nwant\n%s", got, want)
	}
	for _, k := range legend() {
		if shown := strings.Contains(got, string(k.letter)+" "+k.does); shown == k.hidden {
			t.Errorf("key %q is shown: %v", k.letter, shown)
		}
	}
}

func TestPanelFitsOnNarrowScreens(t *testing.T) {
	for _, width := range []int{40, 80, 120} {
		for _, l := range keyLines(paint{on: true}, width) {
			if strings.TrimSpace(l) == "" || len([]rune(cut(l, width-1))) != len([]rune(l)) {
				t.Errorf("at %d columns a line of keys does not fit: %q", width, l)
			}
		}
	}
}

func TestPanelAsks(t *testing.T) {
	p := somePanel()
	p.question = "Freeze which?  1 m1"
	lines := p.lines(paint{}, 80)
	if last := lines[len(lines)-1]; last != " Freeze which?  1 m1" {
		t.Errorf("the last line is %q", last)
	}
}

func TestPanelWithoutALeader(t *testing.T) {
	p := panel{picture: picture{masters: []masterPicture{{name: "m1"}}}}
	if got := strings.Join(p.lines(paint{}, 80), "\n"); !strings.Contains(got, "tasks: no master leads; 0 acknowledged to us; load off") {
		t.Errorf("panel\n%s", got)
	}
}
