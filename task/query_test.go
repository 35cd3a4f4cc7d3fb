package task

import "testing"

func TestQueryMatches(t *testing.T) {
	x := Task{Status: Done, Outcome: Lost, Slave: "a"}
	for _, c := range []struct {
		q    Query
		want bool
	}{
		{Query{}, true},
		{Query{Status: Done}, true},
		{Query{Status: Pending}, false},
		{Query{Outcome: Lost}, true},
		{Query{Outcome: Failed}, false},
		{Query{Slave: "a"}, true},
		{Query{Slave: "b"}, false},
		{Query{Status: Done, Outcome: Lost, Slave: "a"}, true},
		{Query{Status: Done, Outcome: Lost, Slave: "b"}, false},
	} {
		if got := c.q.Matches(&x); got != c.want {
			t.Errorf("%+v: %v", c.q, got)
		}
	}
}
