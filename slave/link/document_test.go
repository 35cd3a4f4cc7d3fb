package link_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// document is api/slave.yaml, which is valid.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../api/slave.yaml")
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// conforms says what is wrong with an answer.
func conforms(doc *openapi3.T, method, path string, status int, body string) error {
	template := regexp.MustCompile(`/\d+/`).ReplaceAllString(path, "/{id}/")
	item := doc.Paths.Value(template)
	response := doc.Components.Responses["Refused"]
	if item != nil && item.GetOperation(method) != nil && status == 200 {
		response = item.GetOperation(method).Responses.Status(200)
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return err
	}
	return response.Value.Content["application/json"].Schema.Value.VisitJSON(v, openapi3.MultiErrors())
}

// example is a fenced block of docs/slave-protocol.md.
type example struct{ about, text string }

func examples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("../../docs/slave-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []example
	for _, m := range regexp.MustCompile("(?s)```json ([^\n]*)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		out = append(out, example{m[1], strings.TrimSpace(m[2])})
	}
	return out
}

// shape is a JSON value with its values replaced by their types: two answers of one
// shape have the same fields.
func shape(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var of func(v any) any
	of = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name, field := range v {
				if name != "status" && name != "reason" && name != "code" { // words of the protocol
					v[name] = of(field)
				}
			}
		case []any:
			for i := range v {
				v[i] = of(v[i])
			}
		default:
			return fmt.Sprintf("%T", v)
		}
		return v
	}
	out, err := json.Marshal(of(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestExamplesOfTheDocument sends the requests of docs/slave-protocol.md to the Go
// slave, and wants answers of the shape that stands below them.
func TestExamplesOfTheDocument(t *testing.T) {
	doc := document(t)
	url := serve(t, newWorker(t, 2, deaf{}))
	sequence := 0
	ask := func(method, path, body string) (int, string) {
		sequence++
		status, got := call(t, method, url+path, body, "Muster-Term", "7", "Muster-Sequence", fmt.Sprint(sequence), "Muster-Cluster", "b5e2")
		if err := conforms(doc, method, path, status, got); err != nil {
			t.Errorf("%s %s: %d %s: %v", method, path, status, got, err)
		}
		return status, got
	}
	answered, compared := "", 0
	for _, e := range examples(t) {
		request, found := strings.CutPrefix(e.about, "request ")
		switch {
		case found:
			method, path, _ := strings.Cut(request, " ")
			if method == "GET" {
				begin(t, ask)
			}
			var status int
			if status, answered = ask(method, path, e.text); status != 200 {
				t.Errorf("%s: %d %s", e.about, status, answered)
			}
		case e.about == "answer":
			_, got := ask("GET", "/available", "")
			same(t, e, got)
			compared++
		case e.about == "response":
			same(t, e, answered)
			compared++
		case e.about == "error" && strings.Contains(e.text, "stale_term"):
			sequence-- // the same stamp again
			_, got := ask("GET", "/available", "")
			same(t, e, got)
			compared++
		case e.about == "error" && strings.Contains(e.text, "wrong_cluster"):
			ask("POST", "/tasks", `{"incarnation":"`+incarnation+`","tasks":[]}`) // a master knows it
			_, got := call(t, "GET", url+"/available", "", "Muster-Term", "9", "Muster-Sequence", "1", "Muster-Cluster", "another")
			same(t, e, got)
			compared++
		case e.about == "error":
			_, got := ask("POST", "/tasks", `{"incarnation":"another","tasks":[]}`)
			same(t, e, got)
			compared++
		}
	}
	if compared != 8 {
		t.Errorf("%d examples were compared, want 8", compared)
	}
}

// begin brings the slave to what the example of GET /tasks tells: one attempt has
// ended and one runs.
func begin(t *testing.T, ask func(method, path, body string) (int, string)) {
	t.Helper()
	order := `{"incarnation":"` + incarnation + `","tasks":[{"id":9,"attempt":1,"kind":"wait","expression":""}]}`
	for range 1000 {
		if _, got := ask("POST", "/tasks", order); strings.Contains(got, "running") {
			break
		}
	}
	for range 1000 {
		if _, got := ask("GET", "/tasks", ""); strings.Contains(got, `"finished"`) {
			return
		}
	}
	t.Fatal("the attempt of the example does not end")
}

func same(t *testing.T, e example, got string) {
	t.Helper()
	if want, have := shape(t, e.text), shape(t, got); want != have {
		t.Errorf("the example\n%s\nis not what the Go slave answers:\n%s", e.text, got)
	}
}

// TestSlaveDocument holds each kind of answer against api/slave.yaml, and every path
// of the document against the slave.
func TestSlaveDocument(t *testing.T) {
	doc := document(t)
	url := serve(t, newWorker(t, 1, deaf{}))
	sequence := 0
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/available", "", 200},
		{"GET", "/healthz", "", 200},
		{"POST", "/tasks", `{"incarnation":"` + incarnation + `","tasks":[{"id":1,"attempt":1,"kind":"wait"},{"id":2,"attempt":1,"kind":"wait"}]}`, 200},
		{"GET", "/tasks", "", 200},
		{"POST", "/tasks/1/cancel", `{"incarnation":"` + incarnation + `","attempt":1}`, 200},
		{"POST", "/tasks", `{"incarnation":"another","tasks":[]}`, 409},
		{"POST", "/tasks", `{`, 400},
		{"POST", "/tasks/0/cancel", `{}`, 400},
		{"POST", "/resize", `{"incarnation":"` + incarnation + `","slots":2}`, 200},
		{"POST", "/resize", `{"incarnation":"` + incarnation + `","slots":65537}`, 400},
		{"GET", "/no-such-path", "", 404},
		{"DELETE", "/tasks", "", 405},
	} {
		sequence++
		status, got := call(t, c.method, url+c.path, c.body, "Muster-Term", "1", "Muster-Sequence", fmt.Sprint(sequence))
		if err := conforms(doc, c.method, c.path, status, got); err != nil || status != c.status {
			t.Errorf("%s %s: %d %s, want %d: %v", c.method, c.path, status, got, c.status, err)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			status, _ := call(t, method, url+strings.ReplaceAll(path, "{id}", "1"), "{}")
			if status == 404 || status == 405 {
				t.Errorf("the document has %s %s, the slave answers %d", method, path, status)
			}
		}
	}
	if err := conforms(doc, "GET", "/available", 200, `{"available":true}`); err == nil {
		t.Error("the check lets an answer without slots pass")
	}
}
