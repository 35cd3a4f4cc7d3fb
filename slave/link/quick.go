package link

import (
	"math"
	"strings"
	"unicode/utf8"

	"muster/task"
)

// quick reads messages that look exactly as append.go writes them: the members in that
// order, without spaces, strings without \u. Whatever looks otherwise it leaves to
// encoding/json and its checks, which understand all that is allowed and say what is
// wrong with the rest; so it is never asked why.
type quick struct {
	text string // what comes next
	not  bool   // it looks otherwise
}

// skip reads exact words.
func (q *quick) skip(words string) {
	if !q.maybe(words) {
		q.not = true
	}
}

// maybe reads exact words if they come next.
func (q *quick) maybe(words string) bool {
	rest, found := strings.CutPrefix(q.text, words)
	if found {
		q.text = rest
	}
	return found
}

// number reads a number without a sign, a point or an exponent.
func (q *quick) number(most uint64) uint64 {
	n, i := uint64(0), 0
	for ; i < len(q.text) && '0' <= q.text[i] && q.text[i] <= '9'; i++ {
		digit := uint64(q.text[i] - '0')
		if n > (most-digit)/10 {
			q.not = true
			return 0
		}
		n = 10*n + digit
	}
	if i == 0 || i > 1 && q.text[0] == '0' {
		q.not = true
		return 0
	}
	q.text = q.text[i:]
	return n
}

// string reads a string. What it returns is a part of the text, or a copy.
func (q *quick) string() string {
	if !q.maybe(`"`) {
		q.not = true
		return ""
	}
	ascii := true
	for i := range len(q.text) {
		switch c := q.text[i]; {
		case c == '"':
			s := q.text[:i]
			q.text = q.text[i+1:]
			q.not = q.not || !ascii && !utf8.ValidString(s)
			return s
		case c == '\\':
			return q.escaped(i)
		case c < ' ':
			q.not = true
			return ""
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	q.not = true
	return ""
}

// escaped reads a string of which the first escape is at a place.
func (q *quick) escaped(at int) string {
	const names, means = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	var b strings.Builder
	b.WriteString(q.text[:at])
	for i := at; i < len(q.text); i++ {
		switch c := q.text[i]; {
		case c == '"':
			q.text = q.text[i+1:]
			q.not = q.not || !utf8.ValidString(b.String())
			return b.String()
		case c < ' ':
			q.not = true
			return ""
		case c != '\\':
			b.WriteByte(c)
		default:
			if i++; i == len(q.text) {
				q.not = true
				return ""
			}
			which := strings.IndexByte(names, q.text[i])
			if which < 0 {
				q.not = true
				return ""
			}
			b.WriteByte(means[which])
		}
	}
	q.not = true
	return ""
}

// quickOrders reads the body of POST /tasks. The orders are good, and are those that
// ordersRequest would have.
func quickOrders(text []byte) (incarnation string, orders []task.Order, ok bool) {
	q := quick{text: string(text)} // once, for all of the texts
	q.skip(`{"incarnation":`)
	incarnation = q.string()
	q.skip(`,"tasks":[`)
	orders = make([]task.Order, 0, min(strings.Count(q.text, `{"id":`), task.MaxSlots))
	for !q.not && !q.maybe(`]}`) {
		if len(orders) > 0 {
			q.skip(`,`)
		}
		if len(orders) == task.MaxSlots {
			return "", nil, false
		}
		o := q.order()
		if o.ID == 0 || o.Attempt == 0 || o.Kind == "" {
			return "", nil, false
		}
		orders = append(orders, o)
	}
	if q.not || q.text != "" || incarnation == "" {
		return "", nil, false
	}
	return incarnation, orders, true
}

func (q *quick) order() (o task.Order) {
	q.skip(`{"id":`)
	o.ID = task.ID(q.number(math.MaxUint64))
	q.skip(`,"attempt":`)
	o.Attempt = uint32(q.number(math.MaxUint32))
	q.skip(`,"kind":`)
	o.Kind = q.string()
	q.skip(`,"expression":`)
	o.Expression = q.string()
	if q.maybe(`,"parameters":{`) {
		o.Parameters = q.parameters()
	}
	if q.maybe(`,"timeout_ms":`) {
		o.TimeoutMS = int64(q.number(math.MaxInt64))
	}
	q.skip(`}`)
	return o
}

// parameters reads parameters that are in order.
func (q *quick) parameters() []task.Parameter {
	ps := make([]task.Parameter, 0, 4)
	for !q.not && !q.maybe(`}`) {
		if len(ps) > 0 {
			q.skip(`,`)
		}
		p := task.Parameter{Name: q.string()}
		q.skip(`:`)
		p.Value = q.value()
		if len(ps) == task.MaxParameters || len(ps) > 0 && ps[len(ps)-1].Name >= p.Name {
			q.not = true
		}
		ps = append(ps, p)
	}
	return ps
}

func (q *quick) value() task.Value {
	switch {
	case strings.HasPrefix(q.text, `"`):
		return task.Value{Type: task.String, Text: q.string()}
	case q.maybe("true"):
		return task.Value{Type: task.Boolean, Text: "true"}
	case q.maybe("false"):
		return task.Value{Type: task.Boolean, Text: "false"}
	}
	n := strings.IndexAny(q.text, ",}")
	if n < 0 || !isNumber(q.text[:n]) {
		q.not = true
		return task.Value{}
	}
	v := task.Value{Type: task.Number, Text: q.text[:n]}
	q.text = q.text[n:]
	return v
}

// availability reads the word on free slots, and leaves the object open.
func (q *quick) availability() (a availability) {
	a.Available = q.maybe(`{"available":true`)
	if !a.Available {
		q.skip(`{"available":false`)
	}
	q.skip(`,"answer":`)
	a.Answer = q.string()
	q.skip(`,"free":`)
	free := int(q.number(math.MaxInt32))
	q.skip(`,"slots":`)
	slots := int(q.number(math.MaxInt32))
	q.skip(`,"incarnation":`)
	a.Incarnation = strings.Clone(q.string())
	q.skip(`,"counter":`)
	counter := q.number(math.MaxUint64)
	a.Free, a.Slots, a.Counter = &free, &slots, &counter
	return a
}

// end tells whether all was read, and looked as it should.
func (q *quick) end() bool {
	q.maybe("\n")
	return !q.not && q.text == ""
}

// quickly reads an answer without receipts.
func (a *availability) quickly(text string) bool {
	q := quick{text: text}
	word := q.availability()
	if q.skip(`}`); !q.end() {
		return false
	}
	*a = word
	return true
}

// quickly reads the answer to POST /tasks.
func (a *ordersAnswer) quickly(text string) bool {
	q := quick{text: text}
	got := ordersAnswer{availability: q.availability(), Tasks: []receipt{}}
	if q.skip(`,"tasks":[`); q.not {
		return false
	}
	got.Tasks = make([]receipt, 0, strings.Count(q.text, `{"id":`))
	for !q.not && !q.maybe(`]}`) {
		if len(got.Tasks) > 0 {
			q.skip(`,`)
		}
		got.Tasks = append(got.Tasks, q.receipt())
	}
	if !q.end() {
		return false
	}
	*a = got
	return true
}

// receipt reads a receipt. Its texts are copies of their own: results are kept for long.
func (q *quick) receipt() (m receipt) {
	q.skip(`{"id":`)
	m.ID = q.number(math.MaxUint64)
	q.skip(`,"attempt":`)
	m.Attempt = uint32(q.number(math.MaxUint32))
	q.skip(`,"status":`)
	if m.Status = task.Accepted.String(); !q.maybe(`"accepted"`) { // what nearly all say
		m.Status = strings.Clone(q.string())
	}
	for _, member := range [...]struct {
		name string
		into *string
	}{{`,"reason":`, &m.Reason}, {`,"outcome":`, &m.Outcome}, {`,"result":`, &m.Result}, {`,"result_type":`, &m.ResultType}, {`,"error":`, &m.Error}} {
		if q.maybe(member.name) {
			*member.into = strings.Clone(q.string())
		}
	}
	m.Retryable = q.maybe(`,"retryable":true`)
	q.skip(`}`)
	return m
}
