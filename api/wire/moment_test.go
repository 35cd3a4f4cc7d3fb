package wire

import (
	"strings"
	"testing"

	"muster/task"
)

func TestMomentsAndWaits(t *testing.T) {
	for said, want := range map[string]task.Moment{
		"":                               {},
		"90s":                            {AfterMS: 90_000},
		"1h30m":                          {AfterMS: 5_400_000},
		"1ms":                            {AfterMS: 1},
		"2026-11-24T06:00:00Z":           {At: 1_795_500_000_000},
		"2026-11-24T07:00:00.25+01:00":   {At: 1_795_500_000_250},
		"0s":                             {},
		"-5s":                            {},
		"1us":                            {},
		"9000h":                          {},
		"tomorrow":                       {},
		"2026-11-24":                     {},
		"1969-12-31T23:59:59Z":           {},
		"90":                             {},
		"2026-11-24T06:00:00Z\n":         {},
		strings.Repeat("9", 1000) + "s":  {},
		"2026-11-24T06:00:00.0001+01:00": {At: 1_795_496_400_000},
	} {
		got, err := toMoment("deadline", said)
		if got != want || (err == nil) != (!want.IsZero() || said == "") {
			t.Errorf("%q is %+v, %v; want %+v", said, got, err, want)
		}
		if err != nil && (!strings.HasPrefix(err.Message, "deadline must be ") || len(err.Message) > 200) {
			t.Errorf("%q is refused with %q", said, err.Message)
		}
		if again, _ := toMoment("", fromMoment(got)); again != got {
			t.Errorf("%q is shown as %q, which is %+v", said, fromMoment(got), again)
		}
	}
	for said, want := range map[string]int64{"": 0, "0s": 0, "10s": 10_000, "1h": 3_600_000, "61m": -1, "1ns": -1, "-1s": -1, "soon": -1} {
		got, err := toBackoff(said)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("a wait of %q is %d ms; want %d", said, got, want)
		}
	}
}

func TestMaxTriesAreSaidOnce(t *testing.T) {
	for _, c := range []struct {
		outside, inside, want uint32
	}{{0, 0, task.DefaultMaxTries}, {5, 0, 5}, {0, 5, 5}, {5, 5, 5}, {5, 6, 0}} {
		spec, err := ToSpec(Submission{Expression: "1", MaxTries: c.outside, Retry: Retry{MaxTries: c.inside}})
		if spec.MaxTries != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("%d and %d: %d, %v", c.outside, c.inside, spec.MaxTries, err)
		}
	}
}

func TestLabelsAreObjectsOfStrings(t *testing.T) {
	decoder := NewDecoder[Submission]()
	for body, want := range map[string]string{
		`{"expression":"1","labels":{"b":"2","a":"1"}}`: "",
		`{"expression":"1","labels":{}}`:                "",
		`{"expression":"1","labels":{"a":1}}`:           "labels.a must be a string",
		`{"expression":"1","labels":{"a":{}}}`:          "labels.a must be",
		`{"expression":"1","labels":["a"]}`:             "labels must be an object",
		`{"expression":"1","labels":{"a":"","a":""}}`:   "labels.a is given twice",
		`{"expression":"1","requires":{"a":null}}`:      "requires.a must be",
		`{"expression":"1","retry":{"backof":"1s"}}`:    "unknown field",
		`{"expression":"1","retry":{"max_tries":"1s"}}`: "retry.max_tries must be",
	} {
		s, err := decoder.Decode([]byte(body))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Message, want) {
			t.Errorf("%s: %v; want %q", body, err, want)
		}
		if err == nil && len(s.Labels) > 0 && s.Labels[0] != (task.Label{Name: "a", Value: "1"}) {
			t.Errorf("%s: %v", body, s.Labels)
		}
	}
}
