package scheduler

import "muster/task"

// refuse ends a submit for a reason of the moment: no free slot, no slave for its
// kind, a disk that is almost full. "Nothing is recorded" is said of its key, too,
// and of that this master may know too little: while its log hangs, or right after
// it was frozen, another may lead already and have recorded the key. So a submit
// with a key is refused when the log has shown that this master still leads.
func (d *desk) refuse(s *Submit, refusal *task.Error) {
	switch {
	case d.c.stopped:
		d.finish(s, Answer{}, NotLeader())
	case s.Key == "":
		d.finish(s, Answer{}, refusal)
	default:
		if s.inLine {
			d.c.lines.leaveLine(s)
		}
		s.refusal = refusal
		d.c.out.Refused = append(d.c.out.Refused, s)
	}
}

// stillLeads ends submits that are refused. err tells that it is not known whether
// this master leads.
func (d *desk) stillLeads(refused []*Submit, err error) {
	for _, s := range refused {
		if s.refusal == nil {
			continue // its client has left
		}
		t, known := d.c.view.TaskByKey(s.Key)
		switch {
		case err != nil:
			d.finish(s, Answer{}, NotLeader())
		case known && sameRequest(t.Spec, s.Spec):
			d.finish(s, Answer{Task: t, Existing: true}, nil)
		case known:
			d.finish(s, Answer{}, keyReused(s.Key, t.ID))
		default:
			d.finish(s, Answer{}, s.refusal)
		}
	}
}
