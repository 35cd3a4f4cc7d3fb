package task

// This file holds what a leader and a slave say to each other, free of its
// encoding; package slave/link speaks it over HTTP.

// Stamp orders the requests of leaders to a slave. A slave refuses a request
// whose stamp is not above the highest it has seen from the same cluster, so a
// delayed request can never start a task twice. Terms of two clusters don't compare.
type Stamp struct {
	Cluster  string // the leader's; empty from a master of a version that does not say
	Term     uint64
	Sequence uint64
}

// Above reports whether s is newer than o, if both are of one cluster.
func (s Stamp) Above(o Stamp) bool {
	return s.Term > o.Term || s.Term == o.Term && s.Sequence > o.Sequence
}

// Availability is a slave's word on its free slots. It comes with every answer
// of a slave. Of two with the same incarnation, the higher counter is newer.
type Availability struct {
	Incarnation string
	Counter     uint64
	Free        int
	Slots       int
}

// Available reports whether the slave can take a task now.
func (a Availability) Available() bool { return a.Free > 0 }

// The two sentences of the original system.
const (
	AnswerAvailable    = "I am available."
	AnswerNotAvailable = "I am not available."
)

// Answer returns the slave's words: "I am available." or "I am not available.".
func (a Availability) Answer() string {
	if a.Available() {
		return AnswerAvailable
	}
	return AnswerNotAvailable
}

// Order asks a slave to execute one attempt of a task.
type Order struct {
	ID         ID
	Attempt    uint32
	Kind       string
	Expression string
	Parameters []Parameter
	TimeoutMS  int64
}

// ReceiptStatus is a slave's answer to one Order.
type ReceiptStatus uint8

// The receipts. Refused means that the attempt never began and never will
// under this order.
const (
	Accepted ReceiptStatus = iota + 1
	Running
	Finished
	Refused
)

var receiptNames = [...]string{"", "accepted", "running", "finished", "refused"}

// String returns the wire name: accepted, running, finished or refused.
func (s ReceiptStatus) String() string { return name(receiptNames[:], int(s)) }

// ParseReceiptStatus is the inverse of ReceiptStatus.String.
func ParseReceiptStatus(s string) (ReceiptStatus, bool) {
	i, ok := parse(receiptNames[:], s)
	return ReceiptStatus(i), ok
}

// Reasons for which a slave refuses one order.
const (
	ReasonNoSlot      = "no_slot"
	ReasonUnknownKind = "unknown_kind"
	ReasonDraining    = "draining"
	// ReasonSuperseded: the slave already saw a later attempt of that task.
	ReasonSuperseded = "superseded"
)

// Receipt is a slave's answer to one Order.
type Receipt struct {
	ID      ID
	Attempt uint32
	Status  ReceiptStatus
	Reason  string // of a refusal
	Result  Result // of a finished attempt
}

// Result is how an attempt ended in the slave. Outcome is Succeeded or Failed
// (or Cancelled when the leader had the attempt stopped).
type Result struct {
	ID      ID
	Attempt uint32
	Outcome Outcome
	Value   Value
	Error   string
	// Retryable marks a failure that another execution may not have (the
	// executor died, a handler said so). A wrong expression is never retryable.
	Retryable bool
}

// BrokenResult is what is recorded in the place of a result that breaks the protocol:
// its attempt has ended, and the slave will never say more of it.
func BrokenResult(id ID, attempt uint32, why string) Result {
	return Result{ID: id, Attempt: attempt, Outcome: Failed, Error: "the slave's result can't be recorded: " + why}
}

// Asked is one line of the dialogue that looked for a slave.
type Asked struct {
	Slave  string
	Answer string // AnswerAvailable, AnswerNotAvailable, or "" for silence
	From   string // FromSlave or FromBooks
	Why    string // in words, why it was not asked, where there is no answer from the books
}

// Where an answer came from: over the wire for this very task, or from what the
// leader knew.
const (
	FromSlave = "slave"
	FromBooks = "books"
)

// Held is an attempt that a slave has: running, or finished and not yet
// acknowledged.
type Held struct {
	ID       ID
	Attempt  uint32
	Finished bool
}

// Report is a slave's batch of results for any master.
type Report struct {
	Slave        string
	Cluster      string       // the one that gave the tasks; empty if it is not known
	Availability Availability // its Incarnation is the reporter's
	Results      []Result
}

// Verdict is the master's answer to one result of a Report. A nil Err is
// "accepted", also for a repeat of the accepted result.
type Verdict struct {
	ID      ID
	Attempt uint32
	Err     *Error
}
