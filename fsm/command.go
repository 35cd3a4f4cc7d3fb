package fsm

import "muster/task"

// EnvelopeVersion is the version of the envelope that this build writes.
const EnvelopeVersion = 1

// Number identifies a command in the log, for ever. Numbers are append-only: a
// command that needs a new field gets a new number.
type Number uint32

// The command numbers.
const (
	NumberSubmitTask    Number = 1
	NumberAssignTask    Number = 2
	NumberCompleteTask  Number = 3
	NumberGiveUpAttempt Number = 4
	NumberRegisterSlave Number = 5
	NumberLoseSlave     Number = 6
	NumberLeaveSlave    Number = 7
	NumberPutMaster     Number = 8
	NumberRemoveMaster  Number = 9
	NumberCancelTask    Number = 10
	NumberDrainSlave    Number = 11
	NumberUndrainSlave  Number = 12
	NumberRemoveSlave   Number = 13
	// NumberSubmitTaskOnTerms is a SubmitTask of a Spec with Terms (fsm/logpb).
	NumberSubmitTaskOnTerms Number = 14
	NumberForgetTasks       Number = 15
	// NumberSubmitTaskOnConditions is a SubmitTask of a Spec with Conditions (fsm/logpb).
	NumberSubmitTaskOnConditions Number = 16
	NumberExpireTask             Number = 17
	// NumberRegisterSlaveInFull is a RegisterSlave that is InFull.
	NumberRegisterSlaveInFull Number = 18

	// HighestNumber is the highest number that this build understands.
	HighestNumber = NumberRegisterSlaveInFull
)

// Envelope is what one log entry carries: 1…N commands that were committed
// together, each with an outcome of its own.
type Envelope struct {
	Term      uint64      // of the proposer
	Stamp     task.Millis // the proposer's wall clock
	Proposals []Proposal
}

// Proposal is one command and the term that it is bound to.
type Proposal struct {
	// Term, if not 0, must be the term of the entry that carries the command;
	// otherwise the command is refused with stale_term. A dispatcher binds all
	// that it decides to its own term.
	Term    uint64
	Command Command
}

// Command is one of the types below.
type Command interface {
	Number() Number
}

// SubmitTask records a new task. If Key is known, the outcome has the
// known task and nothing changes (key_reused if the specs differ). With Assign,
// the task is in progress at once, or refused as a whole if the slave can't
// take it; without, it is pending. The outcome has the task.
type SubmitTask struct {
	Spec   task.Spec
	Key    string
	Assign *Place
}

// Place names an incarnation of a slave.
type Place struct {
	Slave       string
	Incarnation string
}

// AssignTask starts the next attempt of a pending task. Refusals: not_pending,
// stale_attempt, slave_not_found, slave_not_alive, wrong_incarnation,
// slave_full, no_slave_for_kind (this slave does not run the task's kind),
// labels_missing, task_not_found.
type AssignTask struct {
	Attempt task.Attempt
}

// CompleteTask ends the current attempt with a result. A repeat of the accepted
// result is accepted again and changes nothing. Refusals: stale_attempt,
// task_not_found.
type CompleteTask struct {
	Attempt task.Attempt
	Result  task.Result // its ID and Attempt are those of Attempt
}

// GiveUpAttempt ends the current attempt without a result. Began tells whether
// its execution may have begun. Refusals as for CompleteTask.
type GiveUpAttempt struct {
	Attempt task.Attempt
	Began   bool
	Reason  string
}

// RegisterSlave puts a slave into the registry. A known name keeps its place in
// the order; a new incarnation of it gives up all attempts of the old one. Begun
// names those whose execution may have begun; an attempt that it does not name
// never began (the leader sends nothing before its assignment is applied, so it
// knows all that may have begun, and one assigned while this command was on its
// way never did). An unchanged registration of an alive slave changes nothing; the
// same incarnation with another URL, other slots or kinds, or back from lost or
// left, keeps its attempts. If it has fewer slots than attempts, it gets no more
// until it has room.
//
// InFull, it has labels and a version too, and is refused with kind_conflict when
// another slave that is present declares one of its kinds otherwise.
type RegisterSlave struct {
	Registration task.Registration
	Begun        []task.Attempt // attempts that may have begun; others never did
	InFull       bool
}

// LoseSlave marks an incarnation lost and gives up its attempts, like
// RegisterSlave. Refusals: slave_not_found, wrong_incarnation.
type LoseSlave struct {
	Place  Place
	Reason string
	Begun  []task.Attempt // attempts that may have begun; others never did
}

// LeaveSlave marks an incarnation left and gives up attempts that it still has,
// like LoseSlave.
type LeaveSlave struct {
	Place Place
	Begun []task.Attempt // attempts that may have begun; others never did
}

// PutMaster adds or replaces a master's entry.
type PutMaster struct {
	ID          string
	RaftAddress string
	APIURL      string
	Commands    uint32
}

// RemoveMaster drops a master's entry. Refusal: master_not_found.
type RemoveMaster struct {
	ID string
}

// CancelTask ends a task that is not done. An attempt that it has is not current
// any more, whatever it comes to. Refusals: task_not_found, already_done.
// The outcome has the task.
type CancelTask struct {
	ID task.ID
}

// ExpireTask ends a task that is not done because its deadline has passed, which the
// leader has judged. It is a CancelTask but for the outcome. Refusals: task_not_found,
// already_done.
type ExpireTask struct {
	ID task.ID
}

// DrainSlave keeps a slave from getting tasks until UndrainSlave, also when it
// restarts. What it has goes on. Refusal: slave_not_found.
type DrainSlave struct {
	Slave string
}

// UndrainSlave is the inverse of DrainSlave. Refusal: slave_not_found.
type UndrainSlave struct {
	Slave string
}

// RemoveSlave drops a slave's entry and with it its place in the order. With
// Force it gives up its attempts, like LoseSlave. Refusals: slave_not_found,
// slave_busy (without Force).
type RemoveSlave struct {
	Slave string
	Force bool
	Begun []task.Attempt // attempts that may have begun; others never did
}

// ForgetTasks drops all done tasks up to an id, with their keys, but for some. The
// leader names what is old enough, in steps that it bounds.
type ForgetTasks struct {
	UpTo task.ID
	Keep []task.ID // ascending
}

// Number returns NumberSubmitTask, which every version knows, unless the spec has
// what came later.
func (x SubmitTask) Number() Number {
	switch s := &x.Spec; {
	case conditional(s):
		return NumberSubmitTaskOnConditions
	case s.Priority != 0:
		return NumberSubmitTaskOnTerms
	default:
		return NumberSubmitTask
	}
}

// conditional reports whether a spec has conditions (fsm/logpb).
func conditional(s *task.Spec) bool {
	return !s.NotBefore.IsZero() || !s.Deadline.IsZero() || s.BackoffMS != 0 || len(s.Labels) > 0 || len(s.Requires) > 0
}

// Number returns NumberAssignTask.
func (AssignTask) Number() Number { return NumberAssignTask }

// Number returns NumberCompleteTask.
func (CompleteTask) Number() Number { return NumberCompleteTask }

// Number returns NumberGiveUpAttempt.
func (GiveUpAttempt) Number() Number { return NumberGiveUpAttempt }

// Number returns NumberRegisterSlave, which every version knows, unless it is InFull.
func (x RegisterSlave) Number() Number {
	if x.InFull {
		return NumberRegisterSlaveInFull
	}
	return NumberRegisterSlave
}

// Number returns NumberExpireTask.
func (ExpireTask) Number() Number { return NumberExpireTask }

// Number returns NumberLoseSlave.
func (LoseSlave) Number() Number { return NumberLoseSlave }

// Number returns NumberLeaveSlave.
func (LeaveSlave) Number() Number { return NumberLeaveSlave }

// Number returns NumberPutMaster.
func (PutMaster) Number() Number { return NumberPutMaster }

// Number returns NumberRemoveMaster.
func (RemoveMaster) Number() Number { return NumberRemoveMaster }

// Number returns NumberCancelTask.
func (CancelTask) Number() Number { return NumberCancelTask }

// Number returns NumberDrainSlave.
func (DrainSlave) Number() Number { return NumberDrainSlave }

// Number returns NumberUndrainSlave.
func (UndrainSlave) Number() Number { return NumberUndrainSlave }

// Number returns NumberRemoveSlave.
func (RemoveSlave) Number() Number { return NumberRemoveSlave }

// Number returns NumberForgetTasks.
func (ForgetTasks) Number() Number { return NumberForgetTasks }
