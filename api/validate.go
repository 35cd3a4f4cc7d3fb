package api

import (
	"net/http"
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
	if len(keys) > 1 {
		return "", invalid("Idempotency-Key is given %d times; a call has one", len(keys))
	}
	key, err := task.CleanKey(keys[0])
	if err != nil {
		return "", invalid("Idempotency-Key %s", err)
	}
	return key, nil
}

func checkSpec(spec *task.Spec) *task.Error {
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
	if err := task.CheckLabels(labels); err != nil {
		return invalid("%s %s", field, err)
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
	if err := checkToken("slave", r.Slave); err != nil {
		return err
	}
	if err := checkToken("incarnation", r.Availability.Incarnation); err != nil {
		return err
	}
	if a := r.Availability; a.Free < 0 || a.Slots < 0 || a.Slots > task.MaxSlots || a.Free > a.Slots {
		return invalid("free and slots must be from 0 to %d, and free not above slots; not %d and %d", task.MaxSlots, a.Free, a.Slots)
	}
	return nil
}

// checkResult bounds one result of a report.
func checkResult(r *task.Result) *task.Error {
	switch {
	case r.ID == 0:
		return invalid("id must be at least 1")
	case r.Attempt == 0:
		return invalid("attempt must be at least 1")
	case len(r.Value.Text) > task.MaxResultBytes:
		return invalid("result has %d bytes; at most %d are kept", len(r.Value.Text), task.MaxResultBytes)
	case len(r.Error) > task.MaxErrorBytes:
		return invalid("error has %d bytes; at most %d are kept", len(r.Error), task.MaxErrorBytes)
	}
	return nil
}

// checkRegistration checks a registration, and cuts the slash at the end of its URL.
func checkRegistration(r *task.Registration) *task.Error {
	var err *task.Error
	if r.URL, err = baseURL("url", r.URL); err != nil {
		return err
	}
	if r.Slots < 1 || r.Slots > task.MaxSlots {
		return invalid("slots must be from 1 to %d, not %d", task.MaxSlots, r.Slots)
	}
	if err := checkToken("incarnation", r.Incarnation); err != nil {
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
		if i > 0 && r.Kinds[i-1].Name == k.Name {
			return invalid("kind %q is declared twice", k.Name)
		}
	}
	return nil
}

// checkJoin checks a request to join, and cuts the slash at the end of its URL.
func checkJoin(r *task.JoinRequest) *task.Error {
	if len(r.RaftAddress) > task.MaxURLBytes {
		return invalid("raft_address has %d bytes; at most %d are possible", len(r.RaftAddress), task.MaxURLBytes)
	}
	if err := baseurl.CheckAddress(r.RaftAddress); err != nil {
		return invalid("raft_address must be host:port; %.200q %s", r.RaftAddress, err)
	}
	var err *task.Error
	r.APIURL, err = baseURL("api_url", r.APIURL)
	return err
}

// checkToken accepts what can stand in a table and in a log line: an incarnation,
// which its slave makes up, and the name of a slave that is known or not.
func checkToken(field, name string) *task.Error {
	if len(name) < 1 || len(name) > task.MaxNameBytes {
		return invalid("%s must have 1 to %d bytes, not %d", field, task.MaxNameBytes, len(name))
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == '/' }) {
		return invalid("%s must have printable characters without spaces and slashes, not %.200q", field, name)
	}
	return nil
}

// baseURL reads the base URL of a process of ours; it returns it without the slash at
// its end.
func baseURL(field, s string) (string, *task.Error) {
	if len(s) > task.MaxURLBytes {
		return "", invalid("%s has %d bytes; at most %d are possible", field, len(s), task.MaxURLBytes)
	}
	if _, err := baseurl.Parse(s); err != nil {
		return "", invalid("%s must be a base URL like http://10.0.0.7:8101; it %s", field, err)
	}
	return strings.TrimSuffix(s, "/"), nil
}
