package hostile

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// value is an expression, its parameters as JSON, and what becomes of it.
type value struct {
	expression, parameters string
	kind, result           string // of failed and refused: a part of the reason
}

// values are what numbers, texts and dates can go wrong over; docs/expressions.md
// says the same.
func values() []value {
	digits := repeat("1234567890", 40)
	aUmlaut := `{"s":"` + repeat("\u00e4", 2048) + `"}`
	return []value{
		{"0/0", "{}", "number", "NaN"},
		{"-(0/0)", "{}", "number", "NaN"},
		{"sqrt(-1) + 1/0", "{}", "number", "NaN"},
		{"0/0 == 0/0", "{}", "boolean", "false"},
		{"0/0 in (0/0, 1)", "{}", "boolean", "false"},
		{"max(0/0, 1)", "{}", "number", "NaN"},
		{"1/0", "{}", "number", "+Inf"},
		{"-1/0", "{}", "number", "-Inf"},
		{"1/0 - 1/0", "{}", "number", "NaN"},
		{"1/0 == 2/0", "{}", "boolean", "true"},
		{"1/(-1/0)", "{}", "number", "-0"},
		{"1/x", `{"x":-0}`, "number", "-Inf"},
		{"0 * -1", "{}", "number", "-0"},
		{"x", `{"x":-0.0}`, "number", "-0"},
		{"-x == x", `{"x":0}`, "boolean", "true"},
		{"'' + 0/0 + 1/0", "{}", "string", "NaN+Inf"},
		{"7 % 0", "{}", "number", "NaN"},
		{"9007199254740993", "{}", "number", "9007199254740992"},
		{"x", `{"x":9007199254740993}`, "number", "9007199254740992"},
		{"x == 9007199254740992", `{"x":9007199254740993}`, "boolean", "true"},
		{"9007199254740995", "{}", "number", "9007199254740996"},
		{"2**53 + 1 == 2**53", "{}", "boolean", "true"},
		{"18446744073709551615", "{}", "number", "18446744073709552000"},
		{"0x7FFFFFFFFFFFFFFF", "{}", "number", "9223372036854776000"},
		{"0x1FFFFFFFFFFFFF", "{}", "number", "9007199254740991"},
		{"x * 10", `{"x":1e308}`, "number", "+Inf"},
		{"-x * 10", `{"x":1e308}`, "number", "-Inf"},
		{"10**308 * 10", "{}", "number", "+Inf"},
		{"10**-323 / 10", "{}", "number", "0"},
		{"x / 10", `{"x":5e-324}`, "number", "0"},
		{"x", `{"x":1e-400}`, "number", "0"},
		{digits, "{}", "refused", "does not fit into 64 bits"},
		{digits[:300], "{}", "number", "1.2345678901234568e+299"},
		{"0xFFFFFFFFFFFFFFFF", "{}", "number", "18446744073709552000"},
		{"0.1 + 0.2", "{}", "number", "0.30000000000000004"},
		{"1/3", "{}", "number", "0.3333333333333333"},
		{"x", `{"x":1e21}`, "number", "1e+21"},
		{"x", `{"x":999999999999999900000}`, "number", "999999999999999900000"},
		{"x", `{"x":1e-7}`, "number", "1e-07"},
		{"x", `{"x":0.00000011}`, "number", "0.00000011"},
		{"x", `{"x":1.7976931348623157e308}`, "number", "1.7976931348623157e+308"},
		{"x", `{"x":5e-324}`, "number", "5e-324"},
		{"x", `{"x":` + digits + `}`, "refused", "fits into 64 bits"},
		{"sqrt(2) ** 2 + 355 / 113 - 1 / 7", "{}", "number", "4.998735777496839"},
		{"'2006-01-02'", "{}", "string", "2006-01-02"},
		{"'2006-01-02' == d", `{"d":"2006-01-02"}`, "boolean", "true"},
		{"'2006-01-02 15:04:05' + ''", "{}", "string", "2006-01-02 15:04:05"},
		{"d + '!'", `{"d":"2006-01-02T15:04:05Z"}`, "string", "2006-01-02T15:04:05Z!"},
		{"'Jan 2, 2006' < '3:04PM'", "{}", "boolean", "false"},
		{"'2006-01-02T15:04:05+05:30' in ('Mon Jan 2 15:04:05 2006', '2006-01-02T15:04:05+05:30')", "{}", "boolean", "true"},
		{"'Asia/Kolkata' + ' ' + 'Local'", "{}", "string", "Asia/Kolkata Local"},
		{"'2006-01-02' - 1", "{}", "failed", ""},
		{"s", `{"s":"\u0000\u202e\u0661\ud83d\ude00\u2028<&>"}`, "string", "\x00\u202e\u0661\U0001f600\u2028<&>"},
		{"s", `{"s":"\ud800"}`, "refused", "half of a character"},
		{"''", "{}", "string", ""},
		{"s" + repeat("+s", 15), aUmlaut, "string", repeat("\u00e4", 1<<15)}, // 64 KiB
		{"s" + repeat("+s", 15) + " + 'x'", aUmlaut, "failed", "65537 bytes; at most 65536"},
	}
}

// documented are the rows of the table in docs/expressions.md, but those that
// sleep.
func documented(t *testing.T) []value {
	t.Helper()
	doc, err := os.ReadFile("../../docs/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []value
	for _, row := range regexp.MustCompile("(?m)^\\| `(.+)` \\| `(.*)` \\| (number|string|boolean|failed) \\|$").FindAllStringSubmatch(string(doc), -1) {
		if !strings.Contains(row[1], "sleep") {
			all = append(all, value{strings.ReplaceAll(row[1], `\|`, "|"), `{"x":4,"big":9007199254740993,"name":"Ada","on":true}`, row[3], row[2]})
		}
	}
	if len(all) < 80 {
		t.Fatalf("the table has %d rows that can be read", len(all))
	}
	return all
}

// TestResultsAreTheSameOnEverySlave computes the same on two slaves in different
// time zones: what they answer is equal, byte for byte, and as documented.
func TestResultsAreTheSameOnEverySlave(t *testing.T) {
	t.Parallel()
	s := newSystem(t, 1, "slave-1@Asia/Kolkata", "slave-2@America/New_York")
	all := append(values(), documented(t)...)
	first := s.onSlave(t, "slave-1", all)
	// The first in the order gets what there is, so it is kept busy.
	blocker := s.call(t, "POST", s.leader().url+"/v1/tasks", `{"expression":"sleep(86400)","timeout_ms":86400000}`)
	if !strings.Contains(string(blocker.body), "assigned to slave-1") {
		t.Fatalf("%s %s", blocker.line(), blocker.body)
	}
	second := s.onSlave(t, "slave-2", all)
	for i, v := range all {
		if first[i] != second[i] {
			t.Errorf("%.100s: %.200q in Asia/Kolkata, %.200q in America/New_York", v.expression, first[i], second[i])
		}
		kind, text, _ := strings.Cut(first[i], " ")
		same := text == v.result || (v.kind == "failed" || v.kind == "refused") && strings.Contains(text, v.result)
		if kind == "refused" && v.kind == "failed" {
			kind = "failed" // the table also shows what is not even taken
		}
		if kind != v.kind || !same {
			t.Errorf("%.100s with %.100s: %.200q; want %s %.200q", v.expression, v.parameters, first[i], v.kind, v.result)
		}
	}
	s.unharmed(t)
}

// onSlave computes all values on one slave, and returns what became of them.
func (s *system) onSlave(t *testing.T, name string, values []value) []string {
	t.Helper()
	var all []string
	for _, v := range values {
		var became string
		eventually(t, v.expression+" on "+name, func() error {
			o, a := s.compute(t, `{"expression":`+quote(t, v.expression)+`,"parameters":`+v.parameters+`}`)
			switch {
			case a.code() == "invalid_expression", a.code() == "invalid_request":
				became = "refused " + a.refusal()
			case o.Slave != name: // its last word came too late for this one
				return fmt.Errorf("on %q", o.Slave)
			case o.Outcome == "failed":
				became = "failed " + o.Error
			default:
				became = o.ResultType + " " + o.Result
			}
			return nil
		})
		all = append(all, became)
	}
	return all
}
