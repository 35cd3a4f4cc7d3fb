package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"muster/task"
)

// loadDocument reads openapi.yaml once for all tests.
var loadDocument = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background())
})

// theDocument is openapi.yaml, which is valid.
func theDocument(t testing.TB) *openapi3.T {
	t.Helper()
	doc, err := loadDocument()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// answered is an answer that was held against the document.
type answered struct {
	*http.Response

	body []byte
}

// into decodes the body.
func (a answered) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

func (a answered) code(t testing.TB) task.Code {
	t.Helper()
	var e struct{ Code task.Code }
	a.into(t, &e)
	return e.Code
}

// exchange asks a handler and holds the answer against the document.
func exchange(t testing.TB, h http.Handler, req *http.Request) answered {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	a := answered{w.Result(), w.Body.Bytes()}
	if err := conforms(theDocument(t), req.Method, req.URL.Path, a); err != nil {
		t.Errorf("%s %s: %d: %v\n%s", req.Method, req.URL, a.StatusCode, err, a.body)
	}
	return a
}

// conforms says what is wrong with an answer.
func conforms(doc *openapi3.T, method, path string, a answered) error {
	if _, err := strconv.ParseUint(a.Header.Get("Muster-Index"), 10, 64); err != nil {
		return fmt.Errorf("no Muster-Index: %w", err)
	}
	for _, name := range []string{"Muster-Index", "Muster-Leader"} {
		if n := len(a.Header.Values(name)); n != 1 {
			return fmt.Errorf("%d headers %s", n, name)
		}
	}
	response := doc.Components.Responses["Refused"] // of a path or method that is not there
	if op := operation(doc, method, path); op != nil {
		if response = op.Responses.Status(a.StatusCode); response == nil {
			if a.StatusCode < 400 {
				return fmt.Errorf("status %d is not in the document", a.StatusCode)
			}
			response = op.Responses.Default()
		}
	}
	for name, h := range response.Value.Headers {
		if h.Value.Required && a.Header.Values(name) == nil {
			return fmt.Errorf("no header %s", name)
		}
	}
	contentType, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	media := response.Value.Content[contentType]
	if media == nil {
		return fmt.Errorf("content type %q is not in the document", a.Header.Get("Content-Type"))
	}
	if contentType != "application/json" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("something follows the body: %w", err)
	}
	return media.Schema.Value.VisitJSON(v, openapi3.MultiErrors())
}

// operation finds who answers a path, or nil.
func operation(doc *openapi3.T, method, path string) *openapi3.Operation {
	if item := doc.Paths.Value(path); item != nil {
		return item.GetOperation(method)
	}
	for template, item := range doc.Paths.Map() {
		pattern := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(template, "[^/]+")
		if regexp.MustCompile("^" + pattern + "$").MatchString(path) {
			return item.GetOperation(method)
		}
	}
	return nil
}

// A check that can't fail proves nothing.
func TestConformsFails(t *testing.T) {
	doc := theDocument(t)
	good := func() answered {
		return answered{&http.Response{StatusCode: http.StatusOK, Header: http.Header{
			"Muster-Index": {"1"}, "Muster-Leader": {""}, "Content-Type": {"application/json"},
		}}, []byte(`{"slaves":[]}`)}
	}
	if err := conforms(doc, "GET", "/v1/slaves", good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(a *answered){
		"field":       func(a *answered) { a.body = []byte(`{"slaves":[],"x":1}`) },
		"missing":     func(a *answered) { a.body = []byte(`{}`) },
		"null":        func(a *answered) { a.body = []byte(`{"slaves":null}`) },
		"deep":        func(a *answered) { a.body = []byte(`{"slaves":[{}]}`) },
		"two values":  func(a *answered) { a.body = []byte(`{"slaves":[]}{}`) },
		"empty":       func(a *answered) { a.body = nil },
		"type":        func(a *answered) { a.Header.Set("Content-Type", "text/html") },
		"status":      func(a *answered) { a.StatusCode = 202 },
		"redirect":    func(a *answered) { a.StatusCode = 307; a.body = []byte(`{"error":"e","code":"not_leader"}`) },
		"code":        func(a *answered) { a.StatusCode = 503; a.body = []byte(`{"error":"e","code":"strange"}`) },
		"no stamp":    func(a *answered) { a.Header.Del("Muster-Index") },
		"two leaders": func(a *answered) { a.Header.Add("Muster-Leader", "x") },
	} {
		a := good()
		if spoil(&a); conforms(doc, "GET", "/v1/slaves", a) == nil {
			t.Errorf("%s: passed", name)
		}
	}
}

func TestRoutesAreTheDocuments(t *testing.T) {
	var described, routed []string
	params := regexp.MustCompile(`\{([a-z]+)\}`)
	known := map[string][]string{}
	for path, item := range theDocument(t).Paths.Map() {
		for method, op := range item.Operations() {
			call := method + " " + params.ReplaceAllString(path, ":$1")
			described = append(described, call)
			for _, p := range op.Parameters {
				if p.Value.In == "query" {
					known[call] = append(known[call], p.Value.Name)
				}
			}
		}
	}
	for _, r := range (&server{}).routes() {
		call := r.method + " " + r.path
		routed = append(routed, call)
		got, want := slices.Sorted(slices.Values(r.params)), slices.Sorted(slices.Values(known[call]))
		if !slices.Equal(got, want) {
			t.Errorf("%s knows the parameters %v, the document %v", call, got, want)
		}
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described %v\nrouted    %v", described, routed)
	}
}

// Every code has a status and is in the document.
func TestEveryCodeHasAStatus(t *testing.T) {
	var described []task.Code
	for _, v := range theDocument(t).Components.Schemas["Code"].Value.Enum {
		described = append(described, task.Code(v.(string)))
	}
	codes := codesOfTask(t)
	if len(codes) < 30 {
		t.Fatalf("only %d codes found", len(codes))
	}
	for _, code := range codes {
		if s := statuses[code]; s < 300 || s > 599 {
			t.Errorf("code %s has the status %d", code, s)
		}
		if !slices.Contains(described, code) {
			t.Errorf("code %s is not in openapi.yaml", code)
		}
	}
	for code := range statuses {
		if !slices.Contains(codes, code) {
			t.Errorf("code %s is not in package task", code)
		}
	}
	if len(described) != len(codes) {
		t.Errorf("openapi.yaml has %d codes, package task %d", len(described), len(codes))
	}
}

// codesOfTask reads the constants of type Code from package task's source.
func codesOfTask(t *testing.T) []task.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../task/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []task.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			t.Errorf("constant %s has no type Code", spec.Names[0])
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Error(err)
		}
		codes = append(codes, task.Code(value))
		return true
	})
	return codes
}
