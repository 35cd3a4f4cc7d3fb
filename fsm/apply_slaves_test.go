package fsm

import (
	"reflect"
	"testing"

	"muster/task"
)

func TestRegistrationKeepsTheOrder(t *testing.T) {
	l := newLab(t)
	l.register("b", "b1", 1)
	l.register("a", "a1", 2)
	l.wantEvents(l.must(RegisterSlave{Registration: registration("b", "b2", 3)}), "slave b registered")
	want := []task.Slave{
		{Order: 1, State: task.SlaveAlive, RegisteredAt: 1030, Index: 6},
		{Order: 2, State: task.SlaveAlive, RegisteredAt: 1020, Index: 4},
	}
	for i, r := range []task.Registration{registration("b", "b2", 3), registration("a", "a1", 2)} {
		w := &want[i]
		w.Name, w.URL, w.Slots, w.Incarnation, w.Kinds = r.Name, r.URL, r.Slots, r.Incarnation, r.Kinds
	}
	if got := l.state.View().Slaves(); !reflect.DeepEqual(got, want) {
		t.Errorf("the slaves are %+v", got)
	}
	if got := l.state.View().Capacity(); got != (task.Capacity{Slaves: 2, Slots: 5}) {
		t.Errorf("the capacity is %+v", got)
	}
}

func TestUnchangedRegistrationChangesNothing(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 2)
	l.submit(expression(), &place)
	before := content(l.state.View())
	l.wantEvents(l.must(RegisterSlave{Registration: registration("a", "a1", 2)}), "")
	if content(l.state.View()) != before {
		t.Error("the state changed")
	}
}

func TestSameIncarnationMayChangeItsEntry(t *testing.T) {
	for name, change := range map[string]func(*task.Registration){
		"url":   func(r *task.Registration) { r.URL += "/x" },
		"slots": func(r *task.Registration) { r.Slots++ },
		"kinds": func(r *task.Registration) { r.Kinds = r.Kinds[:1] },
	} {
		l := newLab(t)
		place := l.register("a", "a1", 2)
		l.submit(expression(), &place)
		r := registration("a", "a1", 2)
		change(&r)
		l.wantEvents(l.must(RegisterSlave{Registration: r}), "slave a registered")
		got := l.slave()
		if got.URL != r.URL || got.Slots != r.Slots || !reflect.DeepEqual(got.Kinds, r.Kinds) || got.Busy != 1 {
			t.Errorf("%s: the slave is %+v", name, got)
		}
		if got.RegisteredAt != 1010 || got.Index != 6 {
			t.Errorf("%s: registered at %d, changed at index %d", name, got.RegisteredAt, got.Index)
		}
		if l.task(1).Status != task.InProgress {
			t.Errorf("%s: the task is %s", name, l.task(1).Status)
		}
		if got := l.state.View().Capacity(); got != (task.Capacity{Slaves: 1, Slots: r.Slots, Busy: 1}) {
			t.Errorf("%s: the capacity is %+v", name, got)
		}
	}
}

// threeTasks gives a slave an idempotent task that may have begun, one that is
// not idempotent and may have begun, and one that never began. It returns the
// attempts that may have begun.
func threeTasks(l *lab, place Place) []task.Attempt {
	l.t.Helper()
	return []task.Attempt{
		attemptOf(l.submit(expression(), &place)),
		attemptOf(l.submit(once(), &place)),
		{ID: l.submit(once(), &place).ID, Attempt: 1, Slave: "another", Incarnation: place.Incarnation}, // names another attempt
	}
}

func (l *lab) wantThreeGivenUp() {
	l.t.Helper()
	for id, want := range map[task.ID]struct {
		status  task.Status
		outcome task.Outcome
		tries   uint32
	}{
		1: {task.Pending, task.NoOutcome, 1},
		2: {task.Done, task.Lost, 1},
		3: {task.Pending, task.NoOutcome, 0},
	} {
		if got := l.task(id); got.Status != want.status || got.Outcome != want.outcome || got.Tries != want.tries {
			l.t.Errorf("task %d is %+v", id, got)
		}
	}
}

func TestNewIncarnationGivesUpTheOldOnesTasks(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 3)
	other := l.register("b", "b1", 1)
	begun := threeTasks(l, place)
	l.submit(expression(), &other)
	o := l.must(RegisterSlave{Registration: registration("a", "a2", 4), Begun: begun})
	l.wantEvents(o, "task 1 given up, task 2 done, task 3 given up, slave a registered")
	l.wantThreeGivenUp()
	if got := l.slave(); got.Busy != 0 || got.Incarnation != "a2" || got.Order != 1 {
		t.Errorf("the slave is %+v", got)
	}
	if l.task(4).Status != task.InProgress {
		t.Error("another slave's task was given up")
	}
	if got := l.state.View().Capacity(); got != (task.Capacity{Slaves: 2, Slots: 5, Busy: 1}) {
		t.Errorf("the capacity is %+v", got)
	}
}

func TestLostSlave(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 3)
	begun := threeTasks(l, place)
	l.refused(task.CodeSlaveNotFound, LoseSlave{Place: Place{Slave: "b"}})
	l.refused(task.CodeWrongIncarnation, LoseSlave{Place: Place{Slave: "a", Incarnation: "a0"}})

	lose := LoseSlave{Place: place, Reason: "slave a was silent for 5s", Begun: begun}
	l.wantEvents(l.must(lose), "task 1 given up, task 2 done, task 3 given up, slave a gone")
	l.wantThreeGivenUp()
	if got, want := l.task(2).Error, "slave a was silent for 5s; the task may have run, and its kind is not idempotent, so it was not run again"; got != want {
		t.Errorf("the task says %q", got)
	}
	if got := l.slave(); got.State != task.SlaveLost || got.Busy != 0 {
		t.Errorf("the slave is %+v", got)
	}
	if got := l.state.View().Capacity(); got != (task.Capacity{}) {
		t.Errorf("the capacity is %+v", got)
	}
	l.wantEvents(l.must(lose), "") // nothing is left to lose

	l.wantEvents(l.must(RegisterSlave{Registration: registration("a", "a1", 3)}), "slave a registered")
	if got := l.slave(); got.State != task.SlaveAlive || got.Order != 1 || got.RegisteredAt != 1010 {
		t.Errorf("back again, the slave is %+v", got)
	}
}

func TestSlaveThatLeaves(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 3)
	begun := threeTasks(l, place)
	l.refused(task.CodeSlaveNotFound, LeaveSlave{Place: Place{Slave: "b"}})
	l.refused(task.CodeWrongIncarnation, LeaveSlave{Place: Place{Slave: "a", Incarnation: "a0"}})
	leave := LeaveSlave{Place: place, Begun: begun}
	l.wantEvents(l.must(leave), "task 1 given up, task 2 done, task 3 given up, slave a gone")
	l.wantThreeGivenUp()
	l.wantEvents(l.must(leave), "")
	l.wantEvents(l.must(LoseSlave{Place: place}), "") // it said goodbye: it is not lost
	if got := l.slave().State; got != task.SlaveLeft {
		t.Errorf("the slave is %s", got)
	}
}

func TestALostSlaveMayStillSayGoodbye(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 1)
	l.must(LoseSlave{Place: place})
	l.wantEvents(l.must(LeaveSlave{Place: place}), "slave a gone")
	if got := l.slave().State; got != task.SlaveLeft {
		t.Errorf("the slave is %s", got)
	}
}

func TestMasters(t *testing.T) {
	l := newLab(t)
	put := PutMaster{ID: "m2", RaftAddress: "r2", APIURL: "u2", Commands: 9}
	l.wantEvents(l.must(put), "master m2 put")
	l.wantEvents(l.must(PutMaster{ID: "m1"}), "master m1 put")
	l.wantEvents(l.must(put), "")
	put.Commands++
	l.wantEvents(l.must(put), "master m2 put")
	want := []task.Master{{ID: "m1", Index: 4}, {ID: "m2", RaftAddress: "r2", APIURL: "u2", Commands: 10, Index: 8}}
	if got := l.state.View().Masters(); !reflect.DeepEqual(got, want) {
		t.Errorf("the masters are %+v", got)
	}
	l.refused(task.CodeMasterNotFound, RemoveMaster{ID: "m3"})
	l.wantEvents(l.must(RemoveMaster{ID: "m1"}), "master m1 removed")
	if got := l.state.View().Masters(); len(got) != 1 || got[0].ID != "m2" {
		t.Errorf("the masters are %+v", got)
	}
}

func TestADrainedSlaveGetsNothing(t *testing.T) {
	l := newLab(t)
	a := l.register("a", "1", 2)
	running := l.submit(expression(), &a)
	l.wantEvents(l.must(DrainSlave{Slave: "a"}), "slave a registered")
	l.wantEvents(l.must(DrainSlave{Slave: "a"}), "")
	if s := l.slave(); s.State != task.SlaveDraining || s.Busy != 1 || l.state.View().Capacity() != (task.Capacity{}) {
		t.Errorf("drained: %+v, capacity %+v", s, l.state.View().Capacity())
	}
	l.refused(task.CodeSlaveNotAlive, SubmitTask{Spec: expression(), Assign: &a})
	l.must(succeeded(attemptOf(running), "2")) // what it has goes on

	// It stays drained, whatever becomes of it.
	l.register("a", "2", 2)
	if s := l.slave(); s.State != task.SlaveDraining {
		t.Errorf("restarted: %+v", s)
	}
	l.must(LoseSlave{Place: Place{Slave: "a", Incarnation: "2"}})
	if s := l.slave(); s.State != task.SlaveLost || !s.Drained {
		t.Errorf("lost: %+v", s)
	}
	l.must(UndrainSlave{Slave: "a"})
	if s := l.slave(); s.State != task.SlaveLost || s.Drained {
		t.Errorf("undrained while lost: %+v", s)
	}
	l.register("a", "2", 2)
	if s := l.slave(); s.State != task.SlaveAlive || l.state.View().Capacity().Slots != 2 {
		t.Errorf("back: %+v", s)
	}
	l.refused(task.CodeSlaveNotFound, DrainSlave{Slave: "b"})
	l.refused(task.CodeSlaveNotFound, UndrainSlave{Slave: "b"})
}

func TestARemovedSlaveIsForgotten(t *testing.T) {
	l := newLab(t)
	a := l.register("a", "1", 2)
	b := l.register("b", "1", 1)
	begun, never := l.submit(once(), &a), l.submit(once(), &a)
	l.refused(task.CodeSlaveBusy, RemoveSlave{Slave: "a"})
	o := l.must(RemoveSlave{Slave: "a", Force: true, Begun: []task.Attempt{attemptOf(begun)}})
	l.wantEvents(o, "task 1 done, task 2 given up, slave a removed")
	if got := l.task(begun.ID); got.Outcome != task.Lost {
		t.Errorf("what had begun is %+v", got)
	}
	if got := l.task(never.ID); got.Status != task.Pending {
		t.Errorf("what had not begun is %+v", got)
	}
	l.refused(task.CodeSlaveNotFound, RemoveSlave{Slave: "a"})
	l.refused(task.CodeSlaveNotFound, SubmitTask{Spec: once(), Assign: &a})
	l.must(RemoveSlave{Slave: b.Slave})
	if v := l.state.View(); len(v.Slaves()) != 0 || v.Capacity() != (task.Capacity{}) {
		t.Errorf("left are %+v, %+v", v.Slaves(), v.Capacity())
	}
	l.register("a", "1", 1) // a new one, with a new place
	if s := l.slave(); s.Order != 3 || s.Busy != 0 {
		t.Errorf("registered again: %+v", s)
	}
}
