package simulation

import (
	"fmt"
	"runtime/debug"
	"time"

	"muster/fsm"
	"muster/task"
)

// epoch is when each run begins.
var epoch = time.Unix(1_000_000, 0) //nolint:gochecknoglobals // a constant that the language has no word for

// world is a run.
type world struct {
	timeline

	script *script
	healed bool
	trace  *trace
	loops  chance // of the masters' loops

	journal   *journal
	machines  []*machine
	leader    *master
	masters   []*master // that have not ended, the leader among them
	elections int

	submissions, keyed []*submission
	names              int
	refusedInLog       map[string]bool // submits whose slot was gone

	rules   *rules
	turns   int
	steps   int
	failure string
}

// result is what came of a run.
type result struct {
	failure          string // empty: nothing
	trace            *trace
	steps            int // things that happened
	turns            int // of cores
	tasks, elections int
	fingerprint      string // of the state at the end
}

// simulate runs a script.
func simulate(s *script, t *trace) (res result) {
	w := &world{script: s, trace: t, loops: newChance(s.seed, 1), refusedInLog: map[string]bool{}}
	w.rules = newRules(w)
	w.journal = &journal{w: w, state: fsm.New(), term: 1, chance: newChance(s.seed, 2)}
	for i, setup := range s.machines {
		w.machines = append(w.machines, newMachine(w, i, setup))
	}
	defer func() {
		if p := recover(); p != nil {
			w.failf("it panics: %v\n%s", p, debug.Stack())
		}
		v := w.journal.state.View()
		res = result{w.failure, t, w.steps, w.turns, int(v.Counts().Submitted), w.elections, ""}
		if t.on {
			res.fingerprint = v.Fingerprint()
		}
	}()
	w.run()
	return res
}

const (
	// calm is how long the system may take to come to rest after all was healed. The
	// slowest things are attempts that nobody ends (a time-out of up to 4 s and a grace
	// of 30 s), tries that wait for each other, and slaves that nobody has asked for 90 s.
	calm = 400 * time.Second
	// rest is how long it is watched then: until no slave is doubted any more.
	rest = 35 * time.Second
)

func (w *world) run() {
	for _, x := range w.machines {
		w.after(x.setup.from, x.boot)
	}
	w.begin(new(uint64))
	last := time.Duration(0)
	for _, a := range w.script.actions {
		w.after(a.at, func() { w.act(a) })
		last = max(last, a.at)
	}
	w.disturb()
	w.until(last + time.Second)
	w.heal()
	end := w.now + calm
	for w.failure == "" && !w.quiet() {
		if w.until(w.now + 500*time.Millisecond); w.now > end {
			w.notQuiet()
			return
		}
	}
	w.watchRest()
	w.place()
	w.judge()
}

// until lets things happen up to a time.
func (w *world) until(end time.Duration) {
	for w.failure == "" && len(w.events) > 0 && w.events[0].at <= end {
		w.step()
		w.steps++
	}
	w.now = max(w.now, end)
}

func (w *world) time() time.Time { return epoch.Add(w.now) }

// clock is the cluster's.
func (w *world) clock() task.Millis { return task.Millis(w.time().UnixMilli()) }

// noisy tells whether there is such trouble now.
func (w *world) noisy(n noise) bool { return !w.healed && w.script.noise&n != 0 }

func (w *world) sayf(format string, args ...any) {
	if w.trace.on {
		w.trace.addf(w.now, format, args...)
	}
}

// failf notes what is wrong. The first thing counts.
func (w *world) failf(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.sayf("WRONG: %s", w.failure)
	}
}

func (w *world) byURL(url string) *machine {
	for _, x := range w.machines {
		if x.url == url {
			return x
		}
	}
	panic("there is no slave at " + url)
}

// disturb has things happen without a cause, again and again.
func (w *world) disturb() {
	c := newChance(w.script.seed, 3)
	var again func()
	again = func() {
		if w.healed {
			return
		}
		if w.noisy(foreignWrites) {
			w.journal.write(fsm.PutMaster{ID: "m", APIURL: fmt.Sprintf("http://m%d", c.IntN(3)), Commands: uint32(fsm.HighestNumber)})
		}
		if w.noisy(restlessWakes) && w.leader != nil {
			w.leader.wakeUp()
		}
		w.after(c.between(time.Millisecond, 300*time.Millisecond), again)
	}
	w.after(0, again)
}
