package fsm

import (
	"fmt"
	"sync/atomic"

	"muster/task"
)

// State is the replicated state. Apply, Advance, Show and Load belong to one goroutine. View,
// and what it returns, may be used by any.
type State struct {
	tables // the goroutine's of Apply

	// doneIn counts the done tasks of each block that is not sealed yet. It is
	// the goroutine's of Apply and can be computed from the tables.
	doneIn map[block]int
	// declared counts the slaves that are present by what they declare of a kind.
	// It is the goroutine's of Apply and can be computed from the tables.
	declared map[task.Kind]int
	// books has every slave in the registry, by its name, and changedBooks those that
	// are changed. They are the goroutine's of Apply and can be computed from the tables.
	books        map[string]*slaveBook
	changedBooks []*slaveBook
	// young are ids in doneTasks.young, and of tasks that were there, from old to new.
	// It is the goroutine's of Apply.
	young  []task.ID
	packer packer // the goroutine's of Apply

	view atomic.Pointer[View]
}

// New returns the empty state.
func New() *State {
	s := &State{
		tables: newTables(), doneIn: make(map[block]int), declared: make(map[task.Kind]int), books: make(map[string]*slaveBook),
	}
	s.Show()
	return s
}

// View returns the state as of the last Apply, Show or Load.
func (s *State) View() *View { return s.view.Load() }

// Show makes what was applied what View returns.
func (s *State) Show() {
	s.settleBusy()
	s.view.Store(&View{tables: s.share()})
}

// Apply applies the entry at an index, which must be above that of the last one,
// and of the given term. The outcomes are in the order of the proposals; a
// refused command changes nothing and the next one is still applied.
//
// It panics when it is handed an entry twice or a command of an unknown type, as
// it can't be known then what the other replicas made of it. Neither happens to
// entries of Raft that went through Decode.
func (s *State) Apply(index, term uint64, e Envelope) []Outcome {
	outcomes := s.Advance(index, term, e)
	s.Show()
	return outcomes
}

// Advance is Apply, but View does not return the result before Show. Many entries in
// a row cost less so: what changed since the last View is not copied again.
func (s *State) Advance(index, term uint64, e Envelope) []Outcome {
	s.begin(index)
	outcomes := make([]Outcome, len(e.Proposals))
	c := change{index: index, at: e.Stamp, events: make([]Event, 0, mostEvents(e.Proposals))}
	for i := range e.Proposals {
		c.outcome, c.told = &outcomes[i], len(c.events)
		s.propose(term, &e.Proposals[i], &c)
	}
	return outcomes
}

// mostEvents returns how many events commands have, unless they end many attempts.
func mostEvents(proposals []Proposal) int {
	n := len(proposals)
	for i := range proposals {
		if x, ok := proposals[i].Command.(SubmitTask); ok && x.Assign != nil {
			n++
		}
	}
	return n
}

// Replay is Advance for an entry whose outcomes nobody asks for. It makes none, which
// takes a fraction of the time.
func (s *State) Replay(index, term uint64, e Envelope) {
	s.begin(index)
	c := change{index: index, at: e.Stamp}
	for i := range e.Proposals {
		s.propose(term, &e.Proposals[i], &c)
	}
}

func (s *State) begin(index uint64) {
	if index <= s.index {
		panic(fmt.Sprintf("fsm: entry %d applied after entry %d", index, s.index))
	}
	s.index = index
}

// change is what the commands of an entry do, while they do it.
type change struct {
	index   uint64      // of the entry
	at      task.Millis // the entry's stamp; stored, never compared
	outcome *Outcome    // of the command; nil if nobody asks for it
	events  []Event     // of all commands so far
	told    int         // how many were there before this command
}

// tell adds an event.
func (c *change) tell(e Event) {
	if c.outcome != nil {
		c.events = append(c.events, e)
	}
}

func (s *State) propose(term uint64, p *Proposal, c *change) {
	var refusal *task.Error
	if p.Term != 0 && p.Term != term {
		refusal = task.Refuse(task.CodeStaleTerm,
			fmt.Sprintf("the command was decided in term %d, and its entry is of term %d", p.Term, term))
	} else {
		refusal = s.apply(p.Command, c)
	}
	switch n := len(c.events); {
	case c.outcome == nil:
	case refusal != nil:
		*c.outcome = Outcome{Err: refusal}
	case n > c.told:
		c.outcome.Events = c.events[c.told:n:n]
	}
}

// apply carries out one command. A command that it refuses has changed nothing.
func (s *State) apply(command Command, c *change) *task.Error {
	switch x := command.(type) {
	case SubmitTask:
		return s.submitTask(&x, c)
	case AssignTask:
		return s.assignTask(&x, c)
	case CompleteTask:
		return s.completeTask(&x, c)
	case GiveUpAttempt:
		return s.giveUpAttempt(&x, c)
	case RegisterSlave:
		return s.registerSlave(x, c)
	case LoseSlave:
		return s.loseSlave(x, c)
	case LeaveSlave:
		return s.leaveSlave(x, c)
	case PutMaster:
		s.putMaster(x, c)
		return nil
	case RemoveMaster:
		return s.removeMaster(x, c)
	case CancelTask:
		return s.cancelTask(x, c)
	case ExpireTask:
		return s.expireTask(x, c)
	case ForgetTasks:
		s.forgetTasks(x)
		return nil
	case DrainSlave:
		return s.drainSlave(x.Slave, true, c)
	case UndrainSlave:
		return s.drainSlave(x.Slave, false, c)
	case RemoveSlave:
		return s.removeSlave(x, c)
	default:
		panic(fmt.Sprintf("fsm: command of the unknown type %T", command))
	}
}
