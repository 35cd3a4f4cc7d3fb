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
	packer   packer  // the goroutine's of Apply
	replay   *replay // the goroutine's of Apply; nil unless the last entry was replayed

	view atomic.Pointer[View]
}

// New returns the empty state.
func New() *State {
	s := &State{tables: newTables(), doneIn: make(map[block]int), declared: make(map[task.Kind]int)}
	s.Show()
	return s
}

// View returns the state as of the last Apply, Show or Load.
func (s *State) View() *View { return s.view.Load() }

// Show makes what was applied what View returns.
func (s *State) Show() {
	s.settleKeys()
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
	s.endReplay()
	s.begin(index)
	outcomes := make([]Outcome, len(e.Proposals))
	for i, p := range e.Proposals {
		outcomes[i] = s.propose(term, p, &change{index: index, at: e.Stamp})
	}
	return outcomes
}

// Replay is Advance for an entry whose outcomes nobody asks for. It makes none, which
// takes a fraction of the time.
func (s *State) Replay(index, term uint64, e Envelope) {
	s.beginReplay()
	s.begin(index)
	for _, p := range e.Proposals {
		s.propose(term, p, &change{index: index, at: e.Stamp, silent: true})
	}
}

func (s *State) begin(index uint64) {
	if index <= s.index {
		panic(fmt.Sprintf("fsm: entry %d applied after entry %d", index, s.index))
	}
	s.index = index
}

// change is what one command does, while it does it.
type change struct {
	index  uint64      // of the entry
	at     task.Millis // the entry's stamp; stored, never compared
	silent bool        // nobody asks for the outcome
	events []Event
}

// tell adds an event about a task, which nobody writes to any more.
func (c *change) tell(kind EventKind, t *task.Task, a task.Attempt) {
	if c.silent {
		return
	}
	if c.events == nil {
		c.events = make([]Event, 0, 2) // most commands have one or two
	}
	c.events = append(c.events, Event{Kind: kind, Task: t, Attempt: a})
}

func (s *State) propose(term uint64, p Proposal, c *change) Outcome {
	if p.Term != 0 && p.Term != term {
		return Outcome{Err: task.Refuse(task.CodeStaleTerm,
			fmt.Sprintf("the command was decided in term %d, and its entry is of term %d", p.Term, term))}
	}
	value, refusal := s.apply(p.Command, c)
	if refusal != nil {
		return Outcome{Err: refusal}
	}
	return Outcome{Value: value, Events: c.events}
}

// apply carries out one command. A command that it refuses has changed nothing.
func (s *State) apply(command Command, c *change) (any, *task.Error) {
	switch x := command.(type) {
	case SubmitTask:
		return s.submitTask(x, c)
	case AssignTask:
		return nil, s.assignTask(x, c)
	case CompleteTask:
		return nil, s.completeTask(x, c)
	case GiveUpAttempt:
		return nil, s.giveUpAttempt(x, c)
	case RegisterSlave:
		return nil, s.registerSlave(x, c)
	case LoseSlave:
		return nil, s.loseSlave(x, c)
	case LeaveSlave:
		return nil, s.leaveSlave(x, c)
	case PutMaster:
		s.putMaster(x, c)
		return nil, nil
	case RemoveMaster:
		return nil, s.removeMaster(x, c)
	case CancelTask:
		return s.cancelTask(x, c)
	case ExpireTask:
		return nil, s.expireTask(x, c)
	case ForgetTasks:
		s.forgetTasks(x)
		return nil, nil
	case DrainSlave:
		return nil, s.drainSlave(x.Slave, true, c)
	case UndrainSlave:
		return nil, s.drainSlave(x.Slave, false, c)
	case RemoveSlave:
		return nil, s.removeSlave(x, c)
	default:
		panic(fmt.Sprintf("fsm: command of the unknown type %T", command))
	}
}
