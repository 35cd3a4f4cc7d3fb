package hostile

import (
	"errors"
	"net/http"
	"testing"
)

// TestAForgedStampIsHealed asks a slave with the highest stamp there is. The
// slave can't tell it from a leader's, and refuses its leader from then on: its
// tasks are done by others, and a restart heals it.
func TestAForgedStampIsHealed(t *testing.T) {
	t.Parallel()
	s := newSystem(t, 1, "slave-1", "slave-2")
	const highest = "18446744073709551615"
	a := s.call(t, "GET", s.slaves[0].url+"/available", "", "Muster-Term", highest, "Muster-Sequence", highest)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s", a.line(), a.body)
	}
	for range 3 {
		if o, _ := s.compute(t, `{"expression":"6*7"}`); o.Result != "42" || o.Slave != "slave-2" {
			t.Errorf("%+v", o)
		}
	}
	eventually(t, "slave-1 is lost", func() error {
		rec, err := s.slave("slave-1")
		if err == nil && rec.State != "lost" {
			err = errors.New(rec.State)
		}
		return err
	})
	s.restart(t, s.slaves[0])
	eventually(t, "slave-1 is back", func() error { return s.registered("slave-1") })
	eventually(t, "slave-1 works again", func() error {
		o, _ := s.compute(t, `{"expression":"6*7"}`)
		if o.Slave != "slave-1" {
			return errors.New("on " + o.Slave)
		}
		return nil
	})
}

// TestAForgedGoodbyeIsTakenBack says goodbye in a slave's name. The slave finds
// that nobody asks it anything, and registers again.
func TestAForgedGoodbyeIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newSystem(t, 1, "slave-1")
	rec, err := s.slave("slave-1")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.call(t, "POST", s.leader().url+"/v1/slaves/slave-1/leave", `{"incarnation":"`+rec.Incarnation+`"}`); a.status != http.StatusOK {
		t.Fatalf("%s %s", a.line(), a.body)
	}
	eventually(t, "slave-1 is back", func() error { return s.registered("slave-1") })
	s.unharmed(t)
}

// TestAForgedReportDoesNotWedgeASlave tells the leader in a slave's name that
// nothing is free, with the highest counter there is.
func TestAForgedReportDoesNotWedgeASlave(t *testing.T) {
	t.Parallel()
	s := newSystem(t, 1, "slave-1")
	rec, err := s.slave("slave-1")
	if err != nil {
		t.Fatal(err)
	}
	a := s.call(t, "POST", s.leader().url+"/v1/results", `{"slave":"slave-1","incarnation":"`+rec.Incarnation+`","free":0,"slots":1,"counter":18446744073709551615,"results":[]}`)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s", a.line(), a.body)
	}
	if o, _ := s.compute(t, `{"expression":"6*7"}`); o.Result != "42" {
		t.Errorf("%+v", o)
	}
}
