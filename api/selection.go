package api

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/task"
)

// taskFilters are the parameters that select tasks. A cursor is good for one
// selection by all of them.
func taskFilters() []string {
	return []string{
		"status", "outcome", "slave", "kind", "key", "id", labelFilter,
		"submitted_after", "submitted_before", "finished_after", "finished_before",
	}
}

// page returns the selection of one page of tasks.
func (q *query) page(defaultLimit int) task.Query {
	sel := q.tasks()
	sel.Limit = defaultLimit
	if v, ok := q.get("limit"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > task.MaxPage {
			q.refuse("limit", fmt.Sprintf("a whole number from 1 to %d", task.MaxPage), v)
		}
		sel.Limit = n
	}
	if v, ok := q.get("cursor"); ok {
		sel.After = q.parseCursor(v, sel.Descending)
	}
	return sel
}

// tasks returns the selection of tasks, all of them.
func (q *query) tasks() task.Query {
	sel := task.Query{Descending: q.oneOf("order", "asc", "desc") == "desc"}
	if v, ok := q.get("status"); ok {
		if sel.Status, ok = task.ParseStatus(v); !ok {
			q.refuse("status", "pending, in_progress or done", v)
		}
	}
	if v, ok := q.get("outcome"); ok {
		if sel.Outcome, ok = task.ParseOutcome(v); !ok {
			q.refuse("outcome", "succeeded, failed, cancelled, expired or lost", v)
		}
	}
	sel.Slave = q.text("slave", task.MaxNameBytes)
	sel.Kind = q.text("kind", task.MaxNameBytes)
	sel.Key = strings.Trim(q.text("key", task.MaxKeyBytes), " \t") // as it was recorded
	sel.IDs = q.ids("id")
	sel.Labels = q.labels(labelFilter)
	sel.Submitted = task.Period{From: q.instant("submitted_after"), Before: q.instant("submitted_before")}
	sel.Finished = task.Period{From: q.instant("finished_after"), Before: q.instant("finished_before")}
	return sel
}

// text returns a parameter that has 1 to most bytes where it is given: an empty
// one, of a variable that was not set, must not select everything.
func (q *query) text(name string, most int) string {
	v, ok := q.get(name)
	if ok && (v == "" || len(v) > most) {
		q.refuse(name, fmt.Sprintf("a text of 1 to %d bytes", most), v)
	}
	return v
}

// ids returns ids in ascending order, each once.
func (q *query) ids(name string) []task.ID {
	v, ok := q.get(name)
	if !ok {
		return nil
	}
	var ids []task.ID
	for text := range strings.SplitSeq(v, ",") {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n == 0 || len(ids) == task.MaxQueryIDs {
			q.refuse(name, fmt.Sprintf("1 to %d ids of tasks with commas between them, as in 3,4", task.MaxQueryIDs), v)
			return nil
		}
		ids = append(ids, task.ID(n))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// labels returns the labels that a task must have, each as NAME=VALUE.
func (q *query) labels(name string) []task.Label {
	var list []task.Label
	for _, v := range q.values[name] {
		label, value, ok := strings.Cut(v, "=")
		if !ok || label == "" || len(label) > task.MaxLabelNameBytes || len(value) > task.MaxLabelValueBytes || len(list) == task.MaxLabels {
			q.refuse(name, fmt.Sprintf("NAME=VALUE, as in team=maths, and given at most %d times", task.MaxLabels), v)
			return nil
		}
		list = append(list, task.Label{Name: label, Value: value})
	}
	return list
}

// instant returns the first stamp at or after an instant. Stamps are whole
// milliseconds from 1 on: 0 is "not yet".
func (q *query) instant(name string) task.Millis {
	v, ok := q.get(name)
	if !ok {
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		q.refuse(name, "an instant as in 2026-01-02T15:04:05Z (in a URL a + is written %2B)", v)
		return 0
	}
	ms := at.UnixMilli()
	if time.UnixMilli(ms).Before(at) {
		ms++
	}
	return task.Millis(max(ms, 1))
}

// A cursor is the direction, the last id examined, and a hash of the filters. It
// is encoded so that nobody computes with it. It depends on nothing that another
// master would not know.

func (q *query) formatCursor(after task.ID, descending bool) string {
	return base64.RawURLEncoding.EncodeToString([]byte(direction(descending) + after.String() + "." + q.filtersHash()))
}

func (q *query) parseCursor(s string, descending bool) task.ID {
	decoded, err := base64.RawURLEncoding.DecodeString(s)
	text, hash, ok := strings.Cut(string(decoded), ".")
	if err != nil || !ok || text == "" {
		q.refuse("cursor", "the next of the page before", s)
		return 0
	}
	after, err := strconv.ParseUint(text[1:], 10, 64)
	switch way := text[:1]; {
	case err != nil || after == 0 || way != direction(true) && way != direction(false):
		q.refuse("cursor", "the next of the page before", s)
	case way != direction(descending) || hash != q.filtersHash():
		q.refuse("cursor", "the next of a page with the same filters and the same order (begin again without it, or repeat that page's other parameters as they were)", s)
	}
	return task.ID(after)
}

func direction(descending bool) string {
	if descending {
		return "d"
	}
	return "a"
}

// filtersHash tells selections apart, by the text of their parameters.
func (q *query) filtersHash() string {
	filters := url.Values{}
	for _, name := range taskFilters() {
		if v, ok := q.values[name]; ok {
			filters[name] = v
		}
	}
	sum := sha256.Sum256([]byte(filters.Encode()))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
