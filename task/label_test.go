package task

import "testing"

func TestHasLabels(t *testing.T) {
	ssd, tape, b, empty := Label{"disk", "ssd"}, Label{"disk", "tape"}, Label{"zone", "b"}, Label{"zone", ""}
	for _, c := range []struct {
		have, want []Label
		is         bool
	}{
		{nil, nil, true},
		{[]Label{ssd}, nil, true},
		{nil, []Label{ssd}, false},
		{[]Label{ssd, b}, []Label{b}, true},
		{[]Label{ssd, b}, []Label{ssd, b}, true},
		{[]Label{ssd}, []Label{ssd, b}, false},
		{[]Label{ssd}, []Label{tape}, false},
		{[]Label{ssd}, []Label{empty}, false},
		{[]Label{b}, []Label{empty}, false},
	} {
		if HasLabels(c.have, c.want) != c.is {
			t.Errorf("%v has %v: want %v", c.have, c.want, c.is)
		}
	}
}
