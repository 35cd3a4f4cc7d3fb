package link

import (
	"strconv"
	"unicode/utf8"

	"muster/task"
)

// The messages of which there are many are written by hand: as encoding/json writes
// the types of message.go, except for < > &, which stand as they are. quick.go reads
// them. Tests hold each against the other.

func appendOrder(b []byte, o *task.Order) []byte {
	b = strconv.AppendUint(append(b, `{"id":`...), uint64(o.ID), 10)
	b = strconv.AppendUint(append(b, `,"attempt":`...), uint64(o.Attempt), 10)
	b = appendString(append(b, `,"kind":`...), o.Kind)
	b = appendString(append(b, `,"expression":`...), o.Expression)
	if len(o.Parameters) > 0 {
		b = appendParameters(append(b, `,"parameters":`...), o.Parameters)
	}
	if o.TimeoutMS != 0 {
		b = strconv.AppendInt(append(b, `,"timeout_ms":`...), o.TimeoutMS, 10)
	}
	return append(b, '}')
}

func appendParameters(b []byte, ps []task.Parameter) []byte {
	b = append(b, '{')
	for i := range ps {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, ps[i].Name), ':')
		switch v := ps[i].Value; {
		case v.Type == task.String:
			b = appendString(b, v.Text)
		case v.Type == task.Boolean && (v.Text == "true" || v.Text == "false"), v.Type == task.Number && isNumber(v.Text):
			b = append(b, v.Text...)
		default:
			b = appendString(append(b, `{"type":`...), v.Type.String())
			b = append(appendString(append(b, `,"text":`...), v.Text), '}')
		}
	}
	return append(b, '}')
}

// appendAvailability leaves the object open.
func appendAvailability(b []byte, a *task.Availability) []byte {
	b = strconv.AppendBool(append(b, `{"available":`...), a.Available())
	b = appendString(append(b, `,"answer":`...), a.Answer())
	b = strconv.AppendInt(append(b, `,"free":`...), int64(a.Free), 10)
	b = strconv.AppendInt(append(b, `,"slots":`...), int64(a.Slots), 10)
	b = appendString(append(b, `,"incarnation":`...), a.Incarnation)
	return strconv.AppendUint(append(b, `,"counter":`...), a.Counter, 10)
}

func appendReceipt(b []byte, r *task.Receipt) []byte {
	b = strconv.AppendUint(append(b, `{"id":`...), uint64(r.ID), 10)
	b = strconv.AppendUint(append(b, `,"attempt":`...), uint64(r.Attempt), 10)
	b = appendString(append(b, `,"status":`...), r.Status.String())
	b = appendUnlessEmpty(b, `,"reason":`, r.Reason)
	if r.Status == task.Finished {
		b = appendUnlessEmpty(b, `,"outcome":`, r.Result.Outcome.String())
		b = appendUnlessEmpty(b, `,"result":`, r.Result.Value.Text)
		b = appendUnlessEmpty(b, `,"result_type":`, r.Result.Value.Type.String())
		b = appendUnlessEmpty(b, `,"error":`, r.Result.Error)
		if r.Result.Retryable {
			b = append(b, `,"retryable":true`...)
		}
	}
	return append(b, '}')
}

func appendUnlessEmpty(b []byte, member, text string) []byte {
	if text == "" {
		return b
	}
	return appendString(append(b, member...), text)
}

// appendString appends a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	begin := 0 // of what is not yet appended
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[begin:i]...), "\ufffd"...)
				begin = i + 1
			}
			i += size
			continue
		}
		if i++; c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(append(b, s[begin:i-1]...), '\\')
		if begin = i; c == '"' || c == '\\' {
			b = append(b, c)
		} else {
			b = append(b, 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	return append(append(b, s[begin:]...), '"')
}
