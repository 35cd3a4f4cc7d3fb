package scheduler

import (
	"time"

	"muster/fsm"
	"muster/task"
)

// report takes in the results that a slave reports, with its word. Each is answered
// when its fate is known. The slot of a current attempt is free from now on: what is
// assigned to it stands behind the result in the log, so that both take one entry.
func (as *attempts) report(call *Call, r task.Report, now time.Time) {
	if s := as.c.fleet.slaves[r.Slave]; s != nil && r.Availability.Slots > 0 {
		as.c.liveness.reported(s, r.Availability, now)
	}
	call.Verdicts, call.open = make([]task.Verdict, len(r.Results)), len(r.Results)
	for i, x := range r.Results {
		call.Verdicts[i] = task.Verdict{ID: x.ID, Attempt: x.Attempt}
		as.complete(Complete(&r, x), call, i, now)
	}
	if len(r.Results) == 0 {
		as.c.out.Calls = append(as.c.out.Calls, call)
	}
}

// Complete returns the command that records a result of a report.
func Complete(r *task.Report, x task.Result) fsm.CompleteTask {
	at := task.Attempt{ID: x.ID, Attempt: x.Attempt, Slave: r.Slave, Incarnation: r.Availability.Incarnation}
	return fsm.CompleteTask{Attempt: at, Result: x}
}

// complete proposes that an attempt has a result. It is not bound to this core's term:
// who ran the attempt does not care who leads.
func (as *attempts) complete(cmd fsm.CompleteTask, call *Call, number int, now time.Time) {
	a := as.all[cmd.Attempt.ID]
	if a == nil || a.Attempt != cmd.Attempt || a.completing {
		a = nil
	} else {
		a.completing = true
		a.slave.completing++
		as.c.lines.unpark(a.slave)
		as.c.fleet.refresh(a.slave, now)
	}
	as.c.log.proposeUnbound(cmd, completing{a, call, number})
}

// completing is a result on its way into the log.
type completing struct {
	a      *attempt // whose slot it frees; nil for none
	call   *Call    // that reports it; nil if it came with the answer to a send
	number int      // in the call
}

func (f completing) settle(c *Core, o fsm.Outcome, err error, now time.Time) {
	if a := f.a; a != nil && !a.dropped {
		a.completing = false
		a.slave.completing--
		c.fleet.refresh(a.slave, now)
	}
	call := f.call
	if call == nil {
		if err != nil {
			c.out.note(Debug, "a result was not recorded", "error", err)
		}
		return
	}
	if o.Err == nil && err != nil {
		call.Err = err // it did not come to a verdict; the slave reports all of them again
	}
	call.Verdicts[f.number].Err = o.Err
	if call.open--; call.open == 0 {
		c.out.Calls = append(c.out.Calls, call)
	}
}
