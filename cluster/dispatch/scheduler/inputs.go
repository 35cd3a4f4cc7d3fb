package scheduler

import (
	"time"

	"muster/fsm"
	"muster/task"
)

// Submit takes in a request: the key first, then the line. It is answered once.
func (c *Core) Submit(s *Submit, now time.Time) { c.desk.submit(s, now) }

// Withdraw ends a submit whose client waits no longer, if nothing was proposed for it
// yet.
func (c *Core) Withdraw(s *Submit, now time.Time) { c.desk.withdraw(s, now) }

// StillLeads ends submits that are refused. err tells that it is not known whether
// this master leads.
func (c *Core) StillLeads(refused []*Submit, err error) { c.desk.stillLeads(refused, err) }

// Report takes in the results that a slave reports, with its word. Each is answered
// when its fate is known.
func (c *Core) Report(call *Call, r task.Report, now time.Time) { c.attempts.report(call, r, now) }

// Answered takes in what came of a request.
func (c *Core) Answered(r *SlaveRequest, resp SlaveResponse, now time.Time) {
	c.outbox.answered(r, resp, now)
}

// Broke takes in that a connection to the slave at a URL has ended from the other side.
func (c *Core) Broke(url string, now time.Time) { c.liveness.broke(url, now) }

// Register records a slave that was dialled back and answered with the availability. An
// unchanged registration writes nothing. call may be nil.
func (c *Core) Register(call *Call, r task.Registration, a task.Availability, now time.Time) {
	c.fleet.register(call, r, a, now)
}

// Drain records that a slave is to get no tasks, or may again.
func (c *Core) Drain(call *Call, name string, drained bool) { c.fleet.drain(call, name, drained) }

// Remove drops a slave from the registry. By force its attempts are given up.
func (c *Core) Remove(call *Call, name string, force bool, now time.Time) {
	c.fleet.remove(call, name, force, now)
}

// Leave records that a slave has said goodbye.
func (c *Core) Leave(call *Call, name, incarnation string, now time.Time) {
	c.fleet.leave(call, name, incarnation, now)
}

// Cancel ends a task and has its slave stop it.
func (c *Core) Cancel(call *Call, id task.ID) {
	c.log.propose(fsm.CancelTask{ID: id}, cancelling{call})
}
