package api

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// The bodies that docs/slave-protocol.md shows of a slave's calls are those of the
// specification. Package slave/link has the tests of the others.
func TestExamplesOfTheSlaveProtocol(t *testing.T) {
	text, err := os.ReadFile("../docs/slave-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]string{"registration": "Registration", "report": "Report", "verdicts": "Verdicts", "leave": "Leave"}
	for _, m := range regexp.MustCompile("(?s)```json master (\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		dec := json.NewDecoder(strings.NewReader(m[2]))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Errorf("%s: %v", m[1], err)
			continue
		}
		schema := theDocument(t).Components.Schemas[schemas[m[1]]]
		if schema == nil {
			t.Errorf("the example %q stands for no schema, or is there twice", m[1])
			continue
		}
		if err := schema.Value.VisitJSON(v, openapi3.MultiErrors()); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		delete(schemas, m[1])
	}
	if len(schemas) > 0 {
		t.Errorf("no example of %v", schemas)
	}
}
