package api

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/task"
)

// labelFilter is the one parameter that may be given several times.
const labelFilter = "label"

// query reads the parameters of a call, strictly. The first that is wrong is
// kept, so that a handler may read all before it asks.
type query struct {
	values url.Values
	wrong  *task.Error
}

// readQuery refuses parameters that the call does not know or that are repeated.
func readQuery(raw string, known []string) (*query, *task.Error) {
	if raw == "" {
		return &query{}, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("the query %.100q can't be read: %s", raw, err)
	}
	for name, v := range values {
		if !slices.Contains(known, name) {
			hint := ""
			if name == "explain" { // who was asked for each of 10,000 tasks would be a very long answer
				hint = ": only a task that is submitted alone, by POST /v1/tasks, is explained"
			}
			return nil, invalid("unknown query parameter %.100q%s", name, hint)
		}
		if len(v) > 1 && name != labelFilter {
			return nil, invalid("query parameter %s is given twice", name)
		}
	}
	return &query{values: values}, nil
}

func invalid(format string, args ...any) *task.Error {
	return task.Refuse(task.CodeInvalidRequest, fmt.Sprintf(format, args...))
}

// get returns a parameter and whether it was given.
func (q *query) get(name string) (string, bool) {
	v, ok := q.values[name]
	if !ok {
		return "", false
	}
	return v[0], true
}

func (q *query) refuse(name, want, got string) {
	if q.wrong == nil {
		q.wrong = invalid("query parameter %s must be %s, not %.100q", name, want, got)
	}
}

func (q *query) flag(name string) bool {
	switch v, ok := q.get(name); {
	case !ok || v == "false":
		return false
	case v == "true":
		return true
	default:
		q.refuse(name, "true or false", v)
		return false
	}
}

// oneOf returns the parameter, by default the first of the choices.
func (q *query) oneOf(name string, choices ...string) string {
	v, ok := q.get(name)
	if !ok {
		return choices[0]
	}
	if !slices.Contains(choices, v) {
		q.refuse(name, strings.Join(choices, " or "), v)
	}
	return v
}

func (q *query) index(name string) uint64 {
	v, ok := q.get(name)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		q.refuse(name, "a whole number", v)
	}
	return n
}

// wait returns a duration from 0 to most.
func (q *query) wait(name string, most time.Duration) time.Duration {
	v, ok := q.get(name)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > most {
		q.refuse(name, fmt.Sprintf("a duration from 0s to %s, as in 500ms or 30s", most), v)
		return 0
	}
	return d
}

// accepts reports whether a client asks for a media type by name.
func accepts(h http.Header, mediaType string) bool {
	for _, line := range h.Values("Accept") {
		for one := range strings.SplitSeq(line, ",") {
			if got, _, err := mime.ParseMediaType(one); err == nil && got == mediaType {
				return true
			}
		}
	}
	return false
}
