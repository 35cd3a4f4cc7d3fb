package link

import (
	"errors"
	"fmt"
	"strings"

	"muster/task"
)

// The headers that order a leader's requests.
const (
	headerTerm     = "Muster-Term"
	headerSequence = "Muster-Sequence"
	headerCluster  = "Muster-Cluster" // which cluster's; left out by masters of older versions
)

// ordersRequest is the body of POST /tasks.
type ordersRequest struct {
	Incarnation string `json:"incarnation"`
	Tasks       orders `json:"tasks"`
}

// order is task.Order.
type order struct {
	ID         uint64     `json:"id"`
	Attempt    uint32     `json:"attempt"`
	Kind       string     `json:"kind"`
	Expression string     `json:"expression"`
	Parameters parameters `json:"parameters,omitempty"`
	TimeoutMS  int64      `json:"timeout_ms,omitempty"`
}

// cancelRequest is the body of POST /tasks/{id}/cancel.
type cancelRequest struct {
	Incarnation string `json:"incarnation"`
	Attempt     uint32 `json:"attempt"`
}

// resizeRequest is the body of POST /resize.
type resizeRequest struct {
	Incarnation string `json:"incarnation"`
	Slots       int    `json:"slots"`
}

// availability is task.Availability, and part of every answer. What must not
// be missing is a pointer.
type availability struct {
	Available   bool    `json:"available"`
	Answer      string  `json:"answer"`
	Free        *int    `json:"free"`
	Slots       *int    `json:"slots"`
	Incarnation string  `json:"incarnation"`
	Counter     *uint64 `json:"counter"`
}

// ordersAnswer is the answer to POST /tasks.
type ordersAnswer struct {
	availability
	Tasks []receipt `json:"tasks"`
}

// receipt is task.Receipt. The last five fields are the result of a finished
// attempt.
type receipt struct {
	ID      uint64 `json:"id"`
	Attempt uint32 `json:"attempt"`
	Status  string `json:"status"`
	Reason  string `json:"reason,omitempty"`

	Outcome    string `json:"outcome,omitempty"`
	Result     string `json:"result,omitempty"`
	ResultType string `json:"result_type,omitempty"`
	Error      string `json:"error,omitempty"`
	Retryable  bool   `json:"retryable,omitempty"`
}

// heldAnswer is the answer to GET /tasks. A status is running or finished.
type heldAnswer struct {
	availability
	Tasks []receipt `json:"tasks"`
}

// errorAnswer is every answer that is not 200. Incarnation is the slave's own,
// with wrong_incarnation; Cluster the one that it works for, with wrong_cluster.
type errorAnswer struct {
	Error       string    `json:"error"`
	Code        task.Code `json:"code"`
	Incarnation string    `json:"incarnation,omitempty"`
	Cluster     string    `json:"cluster,omitempty"`
}

func fromOrder(o task.Order) order {
	return order{
		ID: uint64(o.ID), Attempt: o.Attempt, Kind: o.Kind, Expression: o.Expression,
		Parameters: o.Parameters, TimeoutMS: o.TimeoutMS,
	}
}

func (o order) toTask() (task.Order, error) {
	switch {
	case o.ID == 0 || o.Attempt == 0:
		return task.Order{}, fmt.Errorf("attempt %d of task %d: both numbers start at 1", o.Attempt, o.ID)
	case o.Kind == "":
		return task.Order{}, fmt.Errorf("attempt %d of task %d has no kind", o.Attempt, o.ID)
	}
	return task.Order{
		ID: task.ID(o.ID), Attempt: o.Attempt, Kind: o.Kind, Expression: o.Expression,
		Parameters: o.Parameters, TimeoutMS: o.TimeoutMS,
	}, nil
}

func fromAvailability(a task.Availability) availability {
	return availability{
		Available: a.Available(), Answer: a.Answer(),
		Free: new(a.Free), Slots: new(a.Slots), Incarnation: a.Incarnation, Counter: new(a.Counter),
	}
}

// toTask believes no count that can't be.
func (a availability) toTask() (task.Availability, error) {
	switch {
	case a.Incarnation == "" || a.Free == nil || a.Slots == nil || a.Counter == nil:
		return task.Availability{}, errors.New("the answer lacks incarnation, free, slots or counter")
	case len(a.Incarnation) > task.MaxNameBytes:
		return task.Availability{}, fmt.Errorf("the answer's incarnation has %d bytes; at most %d are possible", len(a.Incarnation), task.MaxNameBytes)
	case *a.Slots < 1 || *a.Slots > task.MaxSlots || *a.Free < 0 || *a.Free > *a.Slots:
		return task.Availability{}, fmt.Errorf("the answer says that %d of %d slots are free", *a.Free, *a.Slots)
	case a.Available != (*a.Free > 0):
		return task.Availability{}, fmt.Errorf("the answer says available: %t with %d slots free", a.Available, *a.Free)
	}
	return task.Availability{Incarnation: a.Incarnation, Counter: *a.Counter, Free: *a.Free, Slots: *a.Slots}, nil
}

func fromReceipt(r task.Receipt) receipt {
	m := receipt{ID: uint64(r.ID), Attempt: r.Attempt, Status: r.Status.String(), Reason: r.Reason}
	if r.Status == task.Finished {
		m.Outcome, m.Error, m.Retryable = r.Result.Outcome.String(), r.Result.Error, r.Result.Retryable
		m.Result, m.ResultType = r.Result.Value.Text, r.Result.Value.Type.String()
	}
	return m
}

func (m receipt) toTask() (task.Receipt, error) {
	r := task.Receipt{ID: task.ID(m.ID), Attempt: m.Attempt, Reason: shortened(m.Reason)}
	var ok bool
	if r.Status, ok = task.ParseReceiptStatus(m.Status); !ok {
		return task.Receipt{}, fmt.Errorf("attempt %d of task %d has the unknown status %.40q", m.Attempt, m.ID, m.Status)
	}
	if r.Status != task.Finished {
		return r, nil
	}
	var err error
	if r.Result, err = m.result(); err != nil {
		// The attempt has ended all the same, and the other receipts are good.
		r.Result = task.BrokenResult(r.ID, r.Attempt, err.Error())
	}
	return r, nil
}

// maxReasonBytes bounds what is kept of a slave's words: a reason goes into the
// masters' log.
const maxReasonBytes = 200

func shortened(reason string) string {
	if len(reason) <= maxReasonBytes {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReasonBytes], "") + " …"
}

// result reads the result of a finished attempt.
func (m receipt) result() (task.Result, error) {
	r := task.Result{ID: task.ID(m.ID), Attempt: m.Attempt, Error: m.Error, Retryable: m.Retryable}
	switch outcome, _ := task.ParseOutcome(m.Outcome); outcome {
	case task.Succeeded, task.Failed, task.Cancelled:
		r.Outcome = outcome
	default:
		return r, fmt.Errorf("finished with the outcome %.40q", m.Outcome)
	}
	r.Value.Text = m.Result
	if m.ResultType != "" {
		var ok bool
		if r.Value.Type, ok = task.ParseValueType(m.ResultType); !ok {
			return r, fmt.Errorf("the result has the unknown type %.40q", m.ResultType)
		}
	}
	switch {
	case m.Result != "" && m.ResultType == "":
		return r, errors.New("the result has no type")
	case len(m.Result) > task.MaxResultBytes:
		return r, fmt.Errorf("the result has %d bytes; at most %d are kept", len(m.Result), task.MaxResultBytes)
	case len(m.Error) > task.MaxErrorBytes:
		return r, fmt.Errorf("the error has %d bytes; at most %d are kept", len(m.Error), task.MaxErrorBytes)
	}
	return r, nil
}

func fromHeld(h task.Held) receipt {
	status := task.Running
	if h.Finished {
		status = task.Finished
	}
	return receipt{ID: uint64(h.ID), Attempt: h.Attempt, Status: status.String()}
}

func (m receipt) toHeld() (task.Held, error) {
	switch m.Status {
	case task.Running.String(), task.Finished.String():
		return task.Held{ID: task.ID(m.ID), Attempt: m.Attempt, Finished: m.Status == task.Finished.String()}, nil
	default:
		return task.Held{}, fmt.Errorf("attempt %d of task %d is held with the status %q", m.Attempt, m.ID, m.Status)
	}
}
