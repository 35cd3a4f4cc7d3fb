package wire

import (
	"strconv"
	"time"
	"unicode/utf8"

	"muster/task"
)

// This file writes the answers of which there are many, and reports, by hand, each as encoding/json
// writes its model: a test holds every one against that. Each function appends to b.
// A member begins with its comma, so what may be the first of an object is written by
// open and closed.

// AppendTask appends what FromTask shows.
func AppendTask(b []byte, t *task.Task) []byte {
	b = appendUint(b, `{"id":`, uint64(t.ID))
	b = appendText(b, `,"status":`, t.Status.String())
	b = appendEnd(b, t)
	b = appendText(b, `,"kind":`, t.Spec.Kind)
	b = appendText(b, `,"expression":`, t.Spec.Expression)
	b = appendParameters(b, t.Spec.Parameters)
	b = appendIf(b, `,"slave":`, t.Slave)
	b = appendIf(b, `,"incarnation":`, t.Incarnation)
	b = appendUint(b, `,"attempt":`, uint64(t.Attempt))
	b = appendUint(b, `,"tries":`, uint64(t.Tries))
	b = appendUint(b, `,"max_tries":`, uint64(t.Spec.MaxTries))
	b = appendInt(b, `,"timeout_ms":`, t.Spec.TimeoutMS)
	b = appendBool(b, `,"idempotent":`, t.Spec.Idempotent)
	b = appendIf(b, `,"idempotency_key":`, t.Key)
	b = appendUnlessZero(b, `,"retry_of":`, uint64(t.Spec.RetryOf))
	b = appendInstant(b, `,"submitted_at":`, t.SubmittedAt)
	b = appendReached(b, `,"started_at":`, t.StartedAt)
	b = appendReached(b, `,"finished_at":`, t.FinishedAt)
	b = appendUint(b, `,"index":`, t.Index)
	b = appendUnlessZero(b, `,"priority":`, uint64(t.Spec.Priority))
	b = appendIf(b, `,"not_before":`, fromMoment(t.Spec.NotBefore))
	b = appendIf(b, `,"deadline":`, fromMoment(t.Spec.Deadline))
	b = appendIf(b, `,"backoff":`, fromBackoff(t.Spec.BackoffMS))
	b = appendLabels(b, `,"labels":`, t.Spec.Labels)
	b = appendLabels(b, `,"requires":`, t.Spec.Requires)
	b = appendReached(b, `,"ready_at":`, t.ReadyAt)
	b = appendReached(b, `,"deadline_at":`, t.DeadlineAt())
	return append(b, '}')
}

// appendEnd appends how a task ended.
func appendEnd(b []byte, t *task.Task) []byte {
	b = appendIf(b, `,"outcome":`, t.Outcome.String())
	if t.Result.Type != task.NoValue {
		b = appendText(b, `,"result":`, t.Result.Text)
	}
	b = appendIf(b, `,"result_type":`, t.Result.Type.String())
	return appendIf(b, `,"error":`, t.Error)
}

// AppendTaskSimply appends what FromTaskSimply shows.
func AppendTaskSimply(b []byte, t *task.Task) []byte {
	w := FromTaskSimply(t)
	b = appendUint(b, `{"id":`, w.ID)
	b = appendText(b, `,"status":`, w.Status)
	b = appendIf(b, `,"outcome":`, string(w.Outcome))
	if w.Result != nil {
		b = appendText(b, `,"result":`, *w.Result)
	}
	b = appendText(b, `,"expression":`, w.Expression)
	b = appendParameters(b, w.Parameters)
	b = appendIf(b, `,"slave":`, w.Slave)
	b = appendIf(b, `,"error":`, w.Error)
	return append(b, '}')
}

// AppendSlave appends what FromSlave shows.
func AppendSlave(b []byte, s *task.Slave) []byte {
	b = appendText(b, `{"name":`, s.Name)
	b = appendText(b, `,"state":`, s.State.String())
	b = appendInt(b, `,"slots":`, int64(s.Slots))
	b = appendInt(b, `,"busy":`, int64(s.Busy))
	b = appendText(b, `,"url":`, s.URL)
	b = appendText(b, `,"incarnation":`, s.Incarnation)
	b = append(b, `,"kinds":[`...)
	for i, k := range s.Kinds {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, `{"name":`, k.Name)
		b = append(appendBool(b, `,"idempotent":`, k.Idempotent), '}')
	}
	b = appendInstant(append(b, ']'), `,"registered_at":`, s.RegisteredAt)
	b = appendReached(b, `,"last_seen_at":`, s.LastSeenAt)
	b = appendUint(b, `,"index":`, s.Index)
	if s.Drained {
		b = append(b, `,"drained":true`...)
	}
	b = appendLabels(b, `,"labels":`, s.Labels)
	b = appendIf(b, `,"version":`, s.Version)
	return append(b, '}')
}

// AppendTaskAnswer appends a TaskAnswer.
func AppendTaskAnswer(b []byte, t *task.Task) []byte {
	return append(AppendTask(append(b, `{"task":`...), t), '}')
}

// AppendSubmitted appends a Submitted.
func AppendSubmitted(b []byte, message string, t *task.Task, asked []task.Asked) []byte {
	b = appendText(b, `{"message":`, message)
	b = AppendTask(append(b, `,"task":`...), t)
	return append(appendAsked(b, asked), '}')
}

// AppendBatchTask appends the BatchResult of a task that is recorded.
func AppendBatchTask(b []byte, t *task.Task, existing bool) []byte {
	b = AppendTask(append(b, `{"task":`...), t)
	if existing {
		b = append(b, `,"existing":true`...)
	}
	return append(b, '}')
}

// AppendBatchRefusal appends the BatchResult of a task that is not.
func AppendBatchRefusal(b []byte, e *task.Error) []byte {
	begin := len(b)
	b = appendIf(b, `,"error":`, e.Message)
	b = appendIf(b, `,"code":`, string(e.Code))
	return closed(b, begin)
}

// AppendVerdicts appends Verdicts.
func AppendVerdicts(b []byte, verdicts []task.Verdict) []byte {
	b = append(b, `{"results":[`...)
	for i := range verdicts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendVerdict(b, &verdicts[i])
	}
	return append(b, `]}`...)
}

func appendVerdict(b []byte, v *task.Verdict) []byte {
	b = appendUint(b, `{"id":`, uint64(v.ID))
	b = appendUint(b, `,"attempt":`, uint64(v.Attempt))
	if v.Err == nil {
		return append(b, `,"accepted":true}`...)
	}
	b = appendIf(b, `,"error":`, v.Err.Message)
	b = appendIf(b, `,"code":`, string(v.Err.Code))
	return append(b, '}')
}

// AppendReport appends what FromReport says.
func AppendReport(b []byte, r *task.Report) []byte {
	b = appendText(b, `{"slave":`, r.Slave)
	b = appendText(b, `,"incarnation":`, r.Availability.Incarnation)
	if r.Availability.Free != 0 {
		b = appendInt(b, `,"free":`, int64(r.Availability.Free))
	}
	if r.Availability.Slots != 0 {
		b = appendInt(b, `,"slots":`, int64(r.Availability.Slots))
	}
	b = appendUnlessZero(b, `,"counter":`, r.Availability.Counter)
	b = append(b, `,"results":[`...)
	for i := range r.Results {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendResult(b, &r.Results[i])
	}
	return append(b, `]}`...)
}

// AppendResult appends what FromResult says.
func AppendResult(b []byte, r *task.Result) []byte {
	b = appendUint(b, `{"id":`, uint64(r.ID))
	b = appendUint(b, `,"attempt":`, uint64(r.Attempt))
	b = appendIf(b, `,"outcome":`, r.Outcome.String())
	if r.Value.Type != task.NoValue {
		b = appendText(b, `,"result":`, r.Value.Text)
	}
	b = appendIf(b, `,"result_type":`, r.Value.Type.String())
	b = appendIf(b, `,"error":`, r.Error)
	if r.Retryable {
		b = append(b, `,"retryable":true`...)
	}
	return append(b, '}')
}

// AppendError appends what FromError shows.
func AppendError(b []byte, e *task.Error) []byte {
	b = appendText(b, `{"error":`, e.Message)
	b = appendText(b, `,"code":`, string(e.Code))
	if e.Capacity != nil {
		b = appendInt(b, `,"slots":`, int64(e.Capacity.Slots))
		b = appendInt(b, `,"busy":`, int64(e.Capacity.Busy))
	}
	b = appendUnlessZero(b, `,"task":`, uint64(e.Task))
	b = appendIf(b, `,"leader":`, e.Leader)
	return append(appendAsked(b, e.Asked), '}')
}

func appendAsked(b []byte, lines []task.Asked) []byte {
	for i := range lines {
		if i == 0 {
			b = append(b, `,"asked":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(b, `{"slave":`, lines[i].Slave)
		b = appendText(b, `,"answer":`, lines[i].Answer)
		b = appendText(b, `,"from":`, lines[i].From)
		b = append(appendIf(b, `,"why":`, lines[i].Why), '}')
	}
	if len(lines) > 0 {
		b = append(b, ']')
	}
	return b
}

func appendParameters(b []byte, list []task.Parameter) []byte {
	if len(list) == 0 {
		return b
	}
	return ParameterList(list).appendTo(append(b, `,"parameters":`...))
}

func appendLabels(b []byte, member string, list []task.Label) []byte {
	if len(list) == 0 {
		return b
	}
	return LabelList(list).appendTo(append(b, member...))
}

// closed makes an object of the members since begin.
func closed(b []byte, begin int) []byte {
	if len(b) == begin {
		return append(b, `{}`...)
	}
	b[begin] = '{' // for its comma
	return append(b, '}')
}

func appendUint(b []byte, member string, n uint64) []byte {
	return strconv.AppendUint(append(b, member...), n, 10)
}

func appendInt(b []byte, member string, n int64) []byte {
	return strconv.AppendInt(append(b, member...), n, 10)
}

func appendBool(b []byte, member string, v bool) []byte {
	return strconv.AppendBool(append(b, member...), v)
}

func appendUnlessZero(b []byte, member string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return appendUint(b, member, n)
}

func appendText(b []byte, member, text string) []byte {
	return appendString(append(b, member...), text)
}

func appendIf(b []byte, member, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(b, member, text)
}

func appendInstant(b []byte, member string, m task.Millis) []byte {
	b = append(append(b, member...), '"')
	return append(Instant(m).AppendFormat(b, time.RFC3339Nano), '"')
}

// appendReached appends an instant, unless it is none yet.
func appendReached(b []byte, member string, m task.Millis) []byte {
	if m == 0 {
		return b
	}
	return appendInstant(b, member, m)
}

// appendString appends a JSON string. Only what can't stand in one is escaped, and
// the two characters that JavaScript takes for the end of a line; what is not UTF-8
// becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	begin := 0 // of what is not yet appended
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			i++
			if c >= ' ' && c != '"' && c != '\\' {
				continue
			}
			b = append(append(b, s[begin:i-1]...), '\\')
			begin = i
			switch c {
			case '"', '\\':
				b = append(b, c)
			case '\b':
				b = append(b, 'b')
			case '\f':
				b = append(b, 'f')
			case '\n':
				b = append(b, 'n')
			case '\r':
				b = append(b, 'r')
			case '\t':
				b = append(b, 't')
			default:
				b = append(b, 'u', '0', '0', hex[c>>4], hex[c&0xf])
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[begin:i-size]...), `\ufffd`...)
			begin = i
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[begin:i-size]...), `\u202`...)
			b = append(b, hex[r&0xf])
			begin = i
		}
	}
	return append(append(b, s[begin:]...), '"')
}
