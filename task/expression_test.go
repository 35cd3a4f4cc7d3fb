package task_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"muster/task"
)

func TestCheckExpressionAccepts(t *testing.T) {
	for _, expression := range []string{
		"2+3*x", "1", " ( 1 ) ", "0x1F", ".5 + 5.", "max(1, 2, 3)", `"it's"`, `'a\'b\\'`, "x in (1, 2)", "a_1 ?? 2",
		"!true && false || 1 <= 2 ? 'yes' : 'no'", "-2 ** -3", "1<<2>>3&4|5^~6", strings.Repeat("(", 64) + "1" + strings.Repeat(")", 64),
		"1" + strings.Repeat("+1", 255), "'" + strings.Repeat("ä", 2000) + "'", "1\n+\t2", strings.Repeat("9", 308), "0." + strings.Repeat("0", 400) + "1",
	} {
		if err := task.CheckExpression(expression, nil); err != nil {
			t.Errorf("%.60q: %v", expression, err)
		}
	}
}

func TestCheckExpressionRefuses(t *testing.T) {
	for expression, why := range map[string]string{
		"":                              "empty",
		" \n":                           "empty",
		strings.Repeat("1", 4097):       "4097 bytes",
		strings.Repeat("(", 65):         "more than 64 deep",
		"1" + strings.Repeat("+1", 256): "more than 512 tokens",
		"(1":                            "not closed",
		"1+":                            "the expression is wrong: it ends too early",
		"+":                             "can't stand there",
		"(2) 3":                         `"3" at byte 4 can't stand there`,
		"()":                            "can't stand there",
		"(1, 2)":                        "a list at byte 0",
		"1 in 2":                        "a list, as in x in (1, 2) is missing",
		"true ? 1":                      "it ends without the : of a choice",
		"max(1,)":                       "can't stand there",
		"- -1":                          "can't stand there",
		"1)":                            "closes nothing",
		"'a' =~ 'a'":                    "no regular expressions",
		"'a' !~ 'b'":                    "no regular expressions",
		"foo.Bar":                       "no fields",
		"foo.Bar()":                     "no fields",
		"1.2.3":                         "no number",
		"1e3":                           "not as 1e3",
		"0x":                            "no number",
		"0xG":                           "no number",
		"0x11112222333344445":           "no number",
		".":                             "no number",
		"12ab":                          "no number",
		strings.Repeat("9", 309):        "does not fit into 64 bits",
		`1 \ 2`:                         "no meaning",
		"'abc":                          "no end",
		"'a\x00b'":                      "control character",
		"'a\nb'":                        "control character",
		"1 \x00":                        "no meaning",
		"\xff":                          "UTF-8",
		"[x]":                           "no meaning",
		"ä":                             "no meaning",
		"١٢":                            "no meaning",
		"1; 2":                          "no meaning",
		"x = 1":                         "no meaning",
		"$x":                            "no meaning",
		"#":                             "no meaning",
		strings.Repeat("a", 65):         "65 bytes",
	} {
		err := task.CheckExpression(expression, nil)
		switch {
		case err == nil:
			t.Errorf("%.60q was accepted", expression)
		case err.Code != task.CodeInvalidExpression || !strings.Contains(err.Message, why):
			t.Errorf("%.60q: %v, want %q in it", expression, err, why)
		}
	}
}

func TestCheckParameters(t *testing.T) {
	number := func(text string) task.Value { return task.Value{Type: task.Number, Text: text} }
	str := func(text string) task.Value { return task.Value{Type: task.String, Text: text} }
	many := make([]task.Parameter, 65)
	for i := range many {
		many[i] = task.Parameter{Name: "p" + strings.Repeat("x", i%60), Value: number("1")}
	}
	for _, tc := range []struct {
		params []task.Parameter
		why    string // empty: accepted
	}{
		{[]task.Parameter{{Name: "x", Value: number("4")}, {Name: "y_2", Value: str("")}, {Name: "B", Value: task.Value{Type: task.Boolean, Text: "true"}}}, ""},
		{[]task.Parameter{{Name: "x", Value: number("9007199254740993")}}, ""},
		{[]task.Parameter{{Name: "x", Value: number("-1.5e-7")}}, ""},
		{[]task.Parameter{{Name: "x", Value: str(strings.Repeat("a", 4096))}}, ""},
		{[]task.Parameter{{Name: "x", Value: str(strings.Repeat("a", 4097))}}, "4097 bytes"},
		{[]task.Parameter{{Name: "x", Value: str("\xff")}}, "UTF-8"},
		{[]task.Parameter{{Name: "x", Value: number("1e999")}}, "64 bits"},
		{[]task.Parameter{{Name: "x", Value: number("NaN")}}, "64 bits"},
		{[]task.Parameter{{Name: "x", Value: number("")}}, "64 bits"},
		{[]task.Parameter{{Name: "x", Value: task.Value{Type: task.Boolean, Text: "yes"}}}, "neither true nor false"},
		{[]task.Parameter{{Name: "x"}}, "not a number, a string or a boolean"},
		{[]task.Parameter{{Name: "x", Value: number("1")}, {Name: "x", Value: number("2")}}, "twice"},
		{[]task.Parameter{{Name: "", Value: number("1")}}, "can't be the name"},
		{[]task.Parameter{{Name: "1x", Value: number("1")}}, "can't be the name"},
		{[]task.Parameter{{Name: "a.b", Value: number("1")}}, "can't be the name"},
		{[]task.Parameter{{Name: "a b", Value: number("1")}}, "can't be the name"},
		{[]task.Parameter{{Name: "ä", Value: number("1")}}, "can't be the name"},
		{[]task.Parameter{{Name: "true", Value: number("1")}}, "can't be the name"},
		{[]task.Parameter{{Name: strings.Repeat("a", 65), Value: number("1")}}, "65 bytes"},
		{many, "65 parameters"},
	} {
		err := task.CheckExpression("1", tc.params)
		if tc.why == "" && err != nil || tc.why != "" && (err == nil || !strings.Contains(err.Message, tc.why)) {
			t.Errorf("%.100v: %v, want %q", tc.params, err, tc.why)
		}
	}
}

// TestNumbersAreWrittenAsInJSON holds the check of numbers against encoding/json.
func TestNumbersAreWrittenAsInJSON(t *testing.T) {
	for _, text := range []string{
		"0", "-0", "4", "12", "-1.5e-7", "1E3", "1e+3", "0.5", "9007199254740993", "1e-999", strings.Repeat("1", 308),
		"", "-", "+1", "01", "-01", ".5", "5.", "1.e3", "1e", "1e+", "e3", "0x10", "0x1p4", "1_000", "1 ", " 1", "--1", "1-", "1.2.3", "1e3e3",
		"Inf", "-Inf", "+Inf", "infinity", "NaN", "nan", "1,5", "1\n", "٤", "1e999", "null", "\"1\"",
	} {
		var f float64
		want := text == strings.TrimSpace(text) && text != "null" && json.Unmarshal([]byte(text), &f) == nil
		err := task.CheckExpression("x", []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: text}}})
		if (err == nil) != want {
			t.Errorf("%q: %v; JSON takes it: %v", text, err, want)
		}
	}
}

// FuzzLexExpression: what is refused has a short reason that can be printed; what
// is accepted is within the limits, and its tokens written out again, with spaces
// between them, are the same tokens: package slave/evaluate relies on that.
func FuzzLexExpression(f *testing.F) {
	for _, seed := range []string{
		"2+3*x", "'a\\'b' == \"c\"", "max(1,(2))", "0x1F<<2", "a in (1,2)", "((", "1..2", "1 \\ 2", "'\\\\'", "x ?? 'y' ? .5 : 5.",
		"!~-1 ** 2 && true || false", "'\u202e\u0661' != \"'\"", "0xFFFFFFFFFFFFFFFF >= 9007199254740993", "a_b1(c, 'd')%2^3|4&5",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		tokens, err := task.LexExpression(expression)
		if err != nil {
			if err.Code != task.CodeInvalidExpression || err.Message == "" || len(err.Message) > 300 || !utf8.ValidString(err.Message) {
				t.Errorf("%q is refused with %+v", expression, err)
			}
			return
		}
		if len(tokens) == 0 || len(tokens) > task.MaxExpressionTokens {
			t.Errorf("%q has %d tokens", expression, len(tokens))
		}
		last, depth := -1, 0
		for _, tok := range tokens {
			if tok.At <= last || tok.At >= len(expression) {
				t.Errorf("%q: token %q at byte %d after one at %d", expression, tok.Text, tok.At, last)
			}
			last = tok.At
			if tok.Kind == task.TokenOpen {
				depth++
			}
			if tok.Kind == task.TokenClose {
				depth--
			}
			if depth < 0 || depth > task.MaxExpressionDepth {
				t.Errorf("%q is %d deep at byte %d", expression, depth, tok.At)
			}
		}
		written := writeOut(tokens)
		if len(written) > task.MaxExpressionBytes {
			return
		}
		again, err := task.LexExpression(written)
		if err != nil || writeOut(again) != written {
			t.Errorf("%q is written out as %q, and that is %q, %v", expression, written, writeOut(again), err)
		}
	})
}

// writeOut writes tokens with spaces between them.
func writeOut(tokens []task.Token) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	var b strings.Builder
	for _, tok := range tokens {
		if tok.Kind == task.TokenString {
			b.WriteString("'" + quote.Replace(tok.Text) + "' ")
			continue
		}
		b.WriteString(tok.Text + " ")
	}
	return b.String()
}
