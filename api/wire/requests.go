package wire

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"muster/task"
)

// This file converts what masters are asked, in both directions: the client
// writes it, the handlers read it.

// ToSpec is what a submission asks for, with the defaults filled in. Idempotent
// is for the master to decide.
func ToSpec(s Submission) (task.Spec, *task.Error) {
	spec := task.Spec{
		Kind:       s.Kind,
		Expression: s.Expression,
		Parameters: s.Parameters,
		MaxTries:   s.MaxTries,
		TimeoutMS:  s.TimeoutMS,
		RetryOf:    task.ID(s.RetryOf),
		Priority:   priority(s.Priority),
		Labels:     labels(s.Labels),
		Requires:   labels(s.Requires),
	}
	if s.Retry.MaxTries != 0 {
		if s.MaxTries != 0 && s.MaxTries != s.Retry.MaxTries {
			return task.Spec{}, refuse(fmt.Sprintf("max_tries says %d and retry.max_tries %d; give one of them", s.MaxTries, s.Retry.MaxTries))
		}
		spec.MaxTries = s.Retry.MaxTries
	}
	var err *task.Error
	if spec.NotBefore, err = toMoment("not_before", s.NotBefore); err != nil {
		return task.Spec{}, err
	}
	if spec.Deadline, err = toMoment("deadline", s.Deadline); err != nil {
		return task.Spec{}, err
	}
	if spec.BackoffMS, err = toBackoff(s.Retry.Backoff); err != nil {
		return task.Spec{}, err
	}
	if spec.Kind == "" {
		spec.Kind = task.KindExpression
	}
	if spec.MaxTries == 0 {
		spec.MaxTries = task.DefaultMaxTries
	}
	if spec.TimeoutMS == 0 {
		spec.TimeoutMS = task.DefaultTimeoutMS
	}
	if len(spec.Parameters) == 0 {
		spec.Parameters = nil
	}
	return spec, nil
}

// priority keeps what is out of range out of range: who checks bounds refuses it.
func priority(p int) task.Priority {
	if p < 0 || p > math.MaxUint8 {
		return math.MaxUint8
	}
	return task.Priority(p)
}

// ToSubmission is an item of a batch as a single submit says it.
func ToSubmission(b *BatchItem) Submission {
	return Submission{
		Expression: b.Expression, Parameters: b.Parameters, Kind: b.Kind, MaxTries: b.MaxTries, TimeoutMS: b.TimeoutMS,
		RetryOf: b.RetryOf, Priority: b.Priority, WhenFull: b.WhenFull,
		NotBefore: b.NotBefore, Deadline: b.Deadline, Retry: b.Retry, Labels: b.Labels, Requires: b.Requires,
	}
}

// FromRegistration is how a slave says it.
func FromRegistration(r task.Registration) Registration {
	w := Registration{
		Name: r.Name, URL: r.URL, Slots: &r.Slots, Incarnation: r.Incarnation, Labels: LabelList(r.Labels), Version: r.Version,
	}
	if len(r.Kinds) > 0 {
		w.Kinds = fromKinds(r.Kinds)
	}
	return w
}

// ToRegistration is the inverse. Without slots a slave has one; without kinds it
// evaluates expressions, which may be done twice.
func ToRegistration(w Registration) task.Registration {
	r := task.Registration{
		Name: w.Name, URL: w.URL, Slots: 1, Incarnation: w.Incarnation,
		Kinds: make([]task.Kind, 0, max(1, len(w.Kinds))), Labels: labels(w.Labels), Version: w.Version,
	}
	if w.Slots != nil {
		r.Slots = *w.Slots
	}
	for _, k := range w.Kinds {
		r.Kinds = append(r.Kinds, task.Kind{Name: k.Name, Idempotent: k.Idempotent})
	}
	if len(r.Kinds) == 0 {
		r.Kinds = append(r.Kinds, task.Kind{Name: task.KindExpression, Idempotent: true})
	}
	slices.SortFunc(r.Kinds, func(a, b task.Kind) int { return strings.Compare(a.Name, b.Name) })
	return r
}

// FromReport is how a slave says it.
func FromReport(r task.Report) Report {
	w := Report{
		Slave:       r.Slave,
		Incarnation: r.Availability.Incarnation,
		Free:        r.Availability.Free,
		Slots:       r.Availability.Slots,
		Counter:     r.Availability.Counter,
		Results:     make([]Result, len(r.Results)),
	}
	for i := range r.Results {
		w.Results[i] = FromResult(&r.Results[i])
	}
	return w
}

// FromResult is how a slave says it.
func FromResult(r *task.Result) Result {
	return Result{
		ID:         uint64(r.ID),
		Attempt:    r.Attempt,
		Outcome:    Outcome(r.Outcome.String()),
		Result:     text(r.Value),
		ResultType: ValueType(r.Value.Type.String()),
		Error:      r.Error,
		Retryable:  r.Retryable,
	}
}

// ToReport is the inverse of FromReport. In the place of a result that is refused
// stands one with nothing but its numbers; refused has why, by place, and is nil if
// there is none.
func ToReport(w ReportBody) (r task.Report, refused map[int]*task.Error) {
	r = task.Report{
		Slave: w.Slave,
		Availability: task.Availability{
			Incarnation: w.Incarnation, Counter: w.Counter, Free: w.Free, Slots: w.Slots,
		},
		Results: make([]task.Result, len(w.Results)),
	}
	for i := range w.Results {
		read, err := &w.Results[i].Value, w.Results[i].Refusal
		if err == nil {
			r.Results[i], err = ToResult(read)
		}
		if err != nil {
			if refused == nil {
				refused = map[int]*task.Error{}
			}
			r.Results[i], refused[i] = task.Result{ID: task.ID(read.ID), Attempt: read.Attempt}, err
		}
	}
	return r, refused
}

// ToResult is the inverse of FromResult. An outcome that is left out follows from
// whether there is an error; a result without a type is a string.
func ToResult(w *Result) (task.Result, *task.Error) {
	r := task.Result{
		ID: task.ID(w.ID), Attempt: w.Attempt, Outcome: task.Succeeded, Error: w.Error, Retryable: w.Retryable,
	}
	if w.Outcome != "" {
		outcome, ok := task.ParseOutcome(string(w.Outcome))
		if !ok || outcome != task.Succeeded && outcome != task.Failed && outcome != task.Cancelled {
			return task.Result{}, refuse(fmt.Sprintf("outcome must be succeeded, failed or cancelled, not %.40q", w.Outcome))
		}
		r.Outcome = outcome
	} else if w.Error != "" {
		r.Outcome = task.Failed
	}
	if w.ResultType != "" {
		t, ok := task.ParseValueType(string(w.ResultType))
		if !ok {
			return task.Result{}, refuse(fmt.Sprintf("result_type must be number, string or boolean, not %.40q", w.ResultType))
		}
		if w.Result == nil {
			return task.Result{}, refuse("result is missing, but there is a result_type")
		}
		r.Value.Type = t
	} else if w.Result != nil {
		r.Value.Type = task.String
	}
	if w.Result != nil {
		r.Value.Text = *w.Result
	}
	return r, nil
}

// ToVerdict is the inverse of FromVerdict.
func ToVerdict(w Verdict) task.Verdict {
	v := task.Verdict{ID: task.ID(w.ID), Attempt: w.Attempt}
	if !w.Accepted {
		v.Err = task.Refuse(w.Code, w.Error)
	}
	return v
}

// FromJoinRequest is how a master says it.
func FromJoinRequest(r task.JoinRequest) JoinRequest {
	return JoinRequest{
		ID: r.ID, RaftAddress: r.RaftAddress, APIURL: r.APIURL, Commands: r.Commands, Replace: r.Replace,
	}
}

// ToJoinRequest is the inverse of FromJoinRequest.
func ToJoinRequest(w JoinRequest) task.JoinRequest {
	return task.JoinRequest{
		ID: w.ID, RaftAddress: w.RaftAddress, APIURL: w.APIURL, Commands: w.Commands, Replace: w.Replace,
	}
}
