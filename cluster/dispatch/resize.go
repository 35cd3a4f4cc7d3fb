package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/task"
)

// Resize has a slave change the number of its slots, and records what it says. If
// that is not recorded, because leadership is lost, the slave registers by itself
// with its new number. It refuses with slave_not_found, slave_not_alive,
// slave_unreachable, wrong_incarnation, cannot_resize, not_leader, or what a
// proposal can be refused with.
func (d *Dispatcher) Resize(ctx context.Context, name string, slots int) (task.Slave, error) {
	rec, ok := d.source.View().Slave(name)
	switch {
	case !ok:
		return task.Slave{}, noSlave(name)
	case rec.State != rec.Present():
		return task.Slave{}, task.Refuse(task.CodeSlaveNotAlive, fmt.Sprintf("slave %q is %s and can't be asked to change its slots; start it with the number that it shall have", name, rec.State))
	}
	a, err := d.askToResize(ctx, &rec, slots)
	switch {
	case errors.Is(err, task.ErrNotOffered):
		return task.Slave{}, task.Refuse(task.CodeCannotResize, fmt.Sprintf("the program of slave %q can't change its slots while it runs (POST /resize is not there); start it again with %d slots", name, slots))
	case errors.Is(err, task.ErrWrongIncarnation):
		return task.Slave{}, task.Refuse(task.CodeWrongIncarnation, fmt.Sprintf("slave %q has just started anew; repeat the call", name))
	case err != nil:
		return task.Slave{}, task.Refuse(task.CodeSlaveUnreachable, fmt.Sprintf("slave %q at %s did not say that it has %d slots now (%v); repeat the call", name, rec.URL, slots, err))
	}
	return ask(ctx, d, func(c *core, now time.Time, reply func(task.Slave, error)) { c.resized(name, a, now, reply) })
}

// askToResize asks the slave. A stale stamp only means that another request was
// quicker, so it tries again.
func (d *Dispatcher) askToResize(ctx context.Context, rec *task.Slave, slots int) (a task.Availability, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.SendTimeout)
	defer cancel()
	for range 3 {
		a, err = d.sender.Resize(ctx, rec.URL, d.stamp(), rec.Incarnation, slots)
		if !errors.Is(err, task.ErrStaleStamp) {
			break
		}
	}
	return a, err
}

// resized records the slots that a slave says it has.
func (c *core) resized(name string, a task.Availability, now time.Time, reply func(task.Slave, error)) {
	s := c.slaves[name]
	if s == nil || s.rec.Incarnation != a.Incarnation {
		reply(task.Slave{}, task.Refuse(task.CodeWrongIncarnation, fmt.Sprintf("slave %q has just started anew; repeat the call", name)))
		return
	}
	r := registration(s.rec)
	r.Slots = a.Slots
	c.register(r, a, now, reply)
}

// registration is what a slave said when it registered.
func registration(rec task.Slave) task.Registration {
	return task.Registration{
		Name: rec.Name, URL: rec.URL, Slots: rec.Slots, Incarnation: rec.Incarnation, Kinds: rec.Kinds, Labels: rec.Labels, Version: rec.Version,
	}
}
