package simulation

import (
	"fmt"
	"strings"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// script is all that a run follows from.
type script struct {
	seed     uint64
	settings scheduler.Config
	noise    noise
	machines []machineSetup
	actions  []action
}

// noise is which kinds of trouble come by chance, without an action.
type noise uint

const (
	lostMessages   noise = 1 << iota // requests, answers
	slowMessages                     // some come after seconds, and so out of order
	refusedEntries                   // the log is overloaded, its disk is low
	slowEntries
	failingTasks  // executions that fail, and may be tried again
	longTasks     // executions that take seconds, or never end
	foreignWrites // of others, into the log
	restlessWakes // turns without a cause
	allNoise      = 1<<iota - 1
)

func (n noise) String() string {
	all := [...]string{"lost messages", "slow messages", "refused entries", "slow entries", "failing tasks", "long tasks", "foreign writes", "restless wakes"}
	var names []string
	for i, name := range all {
		if n&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// machineSetup is how a slave is to begin.
type machineSetup struct {
	slots  int
	kinds  []task.Kind
	labels []task.Label
	from   time.Duration // when it is started
}

// action is one thing that is done at a time. What is open about it comes from its own
// chance.
type action struct {
	at     time.Duration
	kind   actionKind
	chance uint64
}

type actionKind int

const (
	submitOne actionKind = iota
	submitSome
	submitBatch
	repeatKey
	cancelTask
	drainSlave
	removeSlave
	resizeSlave
	crashSlave
	pauseSlave
	cutSlave
	leaveSlave
	forgeGoodbye
	lieSlave
	loseLeader
	restartDispatcher
	actionKinds
)

func (k actionKind) String() string {
	return [actionKinds]string{
		"submit", "submit some", "submit a batch", "repeat a key", "cancel", "drain", "remove", "resize", "crash", "pause", "cut off", "leave", "forged goodbye", "lie",
		"lose the leader", "restart the dispatcher",
	}[k]
}

func (a action) String() string {
	return fmt.Sprintf("%v %v (%x)", a.at, a.kind, a.chance)
}

const (
	kindOnce  = "once"  // its tasks must not run twice
	kindTwice = "twice" // its tasks may
)

// newScript makes the script of a seed.
func newScript(seed uint64) *script {
	c := newChance(seed, 0)
	s := &script{seed: seed}
	s.settings = scheduler.Config{
		QuestionTTL:  pick(c, 0, 200*time.Millisecond, time.Second, 5*time.Second),
		SlaveTimeout: pick(c, time.Second, 5*time.Second),
		ProbeIdle:    pick(c, 5*time.Second, 30*time.Second),
	}
	if c.in(10) {
		s.settings.QueueLimit = 1 + c.IntN(10)
	}
	if c.in(10) {
		s.settings.MaxWaiting = 1 + c.IntN(10)
	}
	if c.in(10) {
		s.settings.MaxClasses = 1 + c.IntN(4)
	}
	if c.in(20) {
		s.settings.SlaveRetention = c.between(2*time.Second, 10*time.Second)
	}
	if c.in(20) {
		s.settings.Retention = scheduler.Retention{Tasks: 1 + c.IntN(10), Min: 2 * time.Second}
	}
	for n := noise(1); n <= allNoise; n <<= 1 {
		if c.in(40) {
			s.noise |= n
		}
	}
	for range 1 + c.IntN(6) {
		s.machines = append(s.machines, newMachineSetup(c))
	}
	s.act(c)
	return s
}

func newMachineSetup(c chance) machineSetup {
	m := machineSetup{slots: 1 + c.IntN(pick(c, 1, 2, 5)), from: c.between(0, 100*time.Millisecond)}
	if c.in(10) {
		m.from = c.between(0, 8*time.Second)
	}
	if c.in(85) {
		m.kinds = append(m.kinds, task.Kind{Name: task.KindExpression, Idempotent: true})
	}
	if c.in(60) || len(m.kinds) == 0 {
		m.kinds = append(m.kinds, task.Kind{Name: kindOnce, Idempotent: c.in(3)}) // which others may contradict
	}
	if c.in(40) {
		m.kinds = append(m.kinds, task.Kind{Name: kindTwice, Idempotent: true})
	}
	if c.in(30) {
		m.labels = []task.Label{{Name: "disk", Value: pick(c, "ssd", "tape")}}
	}
	return m
}

// act fills in the actions: more or fewer, in a longer or shorter time.
func (s *script) act(c chance) {
	// How often each is taken, beside the others.
	weights := [actionKinds]int{
		submitOne: 30, submitSome: 12, submitBatch: 8, repeatKey: 10, cancelTask: 7, drainSlave: 3, removeSlave: 2, resizeSlave: 3, crashSlave: 4, pauseSlave: 4,
		cutSlave: 3, leaveSlave: 2, forgeGoodbye: 1, lieSlave: 3, loseLeader: 5, restartDispatcher: 2,
	}
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at, gap := time.Duration(0), pick(c, 20*time.Millisecond, 100*time.Millisecond, 400*time.Millisecond)
	for range 10 + c.IntN(50) {
		at += c.between(0, 2*gap)
		n, kind := c.IntN(sum), actionKind(0)
		for n >= weights[kind] {
			n -= weights[kind]
			kind++
		}
		s.actions = append(s.actions, action{at, kind, c.Uint64()})
	}
}
