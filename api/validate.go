package api

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"muster/task"
	"muster/task/baseurl"
)

// This file holds the bounds of what clients, slaves and masters may say.

// idempotencyKey returns the header, or "" without one.
func idempotencyKey(h http.Header) (string, error) {
	keys := h.Values("Idempotency-Key")
	if len(keys) == 0 {
		return "", nil
	}
	if len(keys) > 1 || keys[0] == "" || !isKey(keys[0]) {
		return "", invalid("Idempotency-Key must be given once and have 1 to %d printable ASCII characters", task.MaxKeyBytes)
	}
	return keys[0], nil
}

func isKey(key string) bool {
	return len(key) <= task.MaxKeyBytes && !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' })
}

func checkSpec(spec *task.Spec) *task.Error {
	if err := checkName("kind", spec.Kind); err != nil {
		return err
	}
	if spec.MaxTries > task.MaxMaxTries {
		return invalid("max_tries must be from 1 to %d, not %d", task.MaxMaxTries, spec.MaxTries)
	}
	if spec.Priority > task.MaxPriority {
		return invalid("priority must be from 0 to %d", task.MaxPriority)
	}
	if spec.TimeoutMS < 0 || spec.TimeoutMS > task.MaxTimeoutMS {
		return invalid("timeout_ms must be from 1 to %d, not %d", task.MaxTimeoutMS, spec.TimeoutMS)
	}
	if err := checkLabels("labels", spec.Labels); err != nil {
		return err
	}
	if err := checkLabels("requires", spec.Requires); err != nil {
		return err
	}
	return checkWork(spec)
}

func checkLabels(field string, labels []task.Label) *task.Error {
	if len(labels) > task.MaxLabels {
		return invalid("%s has %d entries; at most %d are possible", field, len(labels), task.MaxLabels)
	}
	for _, l := range labels {
		if err := checkLabel(field, l); err != nil {
			return err
		}
	}
	return nil
}

// checkLabel accepts what can stand in a query: NAME=VALUE, with commas between.
func checkLabel(field string, l task.Label) *task.Error {
	if l.Name == "" || len(l.Name) > task.MaxLabelNameBytes || strings.ContainsFunc(l.Name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./", r)
	}) {
		return invalid("%s: a label's name has 1 to %d letters, digits and any of - _ . /, not %.80q", field, task.MaxLabelNameBytes, l.Name)
	}
	if len(l.Value) > task.MaxLabelValueBytes || strings.ContainsFunc(l.Value, func(r rune) bool { return !unicode.IsPrint(r) || r == ',' }) {
		return invalid("%s: the value of label %q must have at most %d bytes, printable and without commas", field, l.Name, task.MaxLabelValueBytes)
	}
	return nil
}

// checkWork bounds what is to be done. Only expressions are understood here; what
// another kind makes of its text is its slaves' business.
func checkWork(spec *task.Spec) *task.Error {
	if spec.Kind == task.KindExpression {
		return task.CheckExpression(spec.Expression, spec.Parameters)
	}
	if len(spec.Expression) > task.MaxExpressionBytes {
		return invalid("expression has %d bytes; at most %d are possible", len(spec.Expression), task.MaxExpressionBytes)
	}
	if len(spec.Parameters) > task.MaxParameters {
		return invalid("there are %d parameters; at most %d are possible", len(spec.Parameters), task.MaxParameters)
	}
	for _, p := range spec.Parameters {
		if len(p.Name) > task.MaxNameBytes || len(p.Value.Text) > task.MaxParameterBytes {
			return invalid("parameter %.40q is too long: at most %d bytes for its name and %d for its value are possible",
				p.Name, task.MaxNameBytes, task.MaxParameterBytes)
		}
	}
	return nil
}

func checkReport(r *task.Report) *task.Error {
	if err := checkName("slave", r.Slave); err != nil {
		return err
	}
	if err := checkName("incarnation", r.Availability.Incarnation); err != nil {
		return err
	}
	if a := r.Availability; a.Free < 0 || a.Slots < 0 || a.Slots > task.MaxSlots || a.Free > a.Slots {
		return invalid("free and slots must be from 0 to %d, and free not above slots; not %d and %d", task.MaxSlots, a.Free, a.Slots)
	}
	for i := range r.Results {
		at := "results[" + strconv.Itoa(i) + "]"
		switch res := &r.Results[i]; {
		case res.ID == 0:
			return invalid("%s.id must be at least 1", at)
		case res.Attempt == 0:
			return invalid("%s.attempt must be at least 1", at)
		case len(res.Value.Text) > task.MaxResultBytes:
			return invalid("%s.result has %d bytes; at most %d are kept", at, len(res.Value.Text), task.MaxResultBytes)
		case len(res.Error) > task.MaxErrorBytes:
			return invalid("%s.error has %d bytes; at most %d are kept", at, len(res.Error), task.MaxErrorBytes)
		}
	}
	return nil
}

func checkRegistration(r *task.Registration) *task.Error {
	if err := checkName("name", r.Name); err != nil {
		return err
	}
	if err := checkURL("url", r.URL); err != nil {
		return err
	}
	if r.Slots < 1 || r.Slots > task.MaxSlots {
		return invalid("slots must be from 1 to %d, not %d", task.MaxSlots, r.Slots)
	}
	if err := checkName("incarnation", r.Incarnation); err != nil {
		return err
	}
	if len(r.Kinds) > task.MaxKinds {
		return invalid("kinds has %d entries; at most %d are possible", len(r.Kinds), task.MaxKinds)
	}
	if err := checkLabels("labels", r.Labels); err != nil {
		return err
	}
	if len(r.Version) > task.MaxVersionBytes || strings.ContainsFunc(r.Version, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return invalid("version must have at most %d bytes, all printable", task.MaxVersionBytes)
	}
	for i, k := range r.Kinds {
		if err := checkName("kinds["+strconv.Itoa(i)+"].name", k.Name); err != nil {
			return err
		}
		if i > 0 && r.Kinds[i-1].Name == k.Name {
			return invalid("kind %q is declared twice", k.Name)
		}
	}
	return nil
}

func checkJoin(r *task.JoinRequest) *task.Error {
	if err := checkName("id", r.ID); err != nil {
		return err
	}
	if host, port, err := net.SplitHostPort(r.RaftAddress); err != nil || host == "" || port == "" || len(r.RaftAddress) > task.MaxURLBytes {
		return invalid("raft_address must be host:port, not %.200q", r.RaftAddress)
	}
	return checkURL("api_url", r.APIURL)
}

// checkName accepts what can stand in a path, in a table and in a log line.
func checkName(field, name string) *task.Error {
	if len(name) < 1 || len(name) > task.MaxNameBytes {
		return invalid("%s must have 1 to %d bytes, not %d", field, task.MaxNameBytes, len(name))
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == '/' }) {
		return invalid("%s must have printable characters without spaces and slashes, not %.200q", field, name)
	}
	return nil
}

// checkURL accepts the base URL of a process of ours.
func checkURL(field, s string) *task.Error {
	if len(s) > task.MaxURLBytes {
		return invalid("%s has %d bytes; at most %d are possible", field, len(s), task.MaxURLBytes)
	}
	if _, err := baseurl.Parse(s); err != nil {
		return invalid("%s must be a base URL like http://10.0.0.7:8101; it %s", field, err)
	}
	return nil
}
