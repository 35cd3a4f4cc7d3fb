package api

import (
	"context"
	"math"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// registerSlave puts a slave into the registry.
func (s *server) registerSlave(c *gin.Context, _ *query) error {
	body, err := readBody(s, c, s.decoders.registration)
	if err != nil {
		return err
	}
	registration := wire.ToRegistration(body)
	if refusal := checkRegistration(&registration); refusal != nil {
		return refusal
	}
	if refusal := s.slaveNames(c.Request.Context(), &registration); refusal != nil {
		return refusal
	}
	return s.changeSlave(c, func(ctx context.Context) (task.Slave, error) { return s.Backend.RegisterSlave(ctx, registration) })
}

// leaveSlave records a slave's goodbye.
func (s *server) leaveSlave(c *gin.Context, _ *query) error {
	body, err := readBody(s, c, s.decoders.leave)
	if err != nil {
		return err
	}
	if refusal := checkToken("incarnation", body.Incarnation); refusal != nil {
		return refusal
	}
	return s.changeSlave(c, func(ctx context.Context) (task.Slave, error) {
		return s.Backend.LeaveSlave(ctx, c.Param("name"), body.Incarnation)
	})
}

// drainSlave keeps a slave from getting tasks.
func (s *server) drainSlave(c *gin.Context, _ *query) error { return s.setDrained(c, true) }

// undrainSlave is its inverse.
func (s *server) undrainSlave(c *gin.Context, _ *query) error { return s.setDrained(c, false) }

func (s *server) setDrained(c *gin.Context, drained bool) error {
	return s.changeSlave(c, func(ctx context.Context) (task.Slave, error) {
		return s.Backend.DrainSlave(ctx, c.Param("name"), drained)
	})
}

// resizeSlave has a slave change its number of slots.
func (s *server) resizeSlave(c *gin.Context, _ *query) error {
	body, err := readBody(s, c, s.decoders.resize)
	if err != nil {
		return err
	}
	if body.Slots < 1 || body.Slots > task.MaxSlots {
		return invalid("slots must be from 1 to %d, not %d", task.MaxSlots, body.Slots)
	}
	return s.changeSlave(c, func(ctx context.Context) (task.Slave, error) {
		return s.Backend.ResizeSlave(ctx, c.Param("name"), body.Slots)
	})
}

// removeSlave drops a slave from the registry, and answers with what was there.
func (s *server) removeSlave(c *gin.Context, q *query) error {
	force := q.flag("force")
	if q.wrong != nil {
		return q.wrong
	}
	return s.changeSlave(c, func(ctx context.Context) (task.Slave, error) {
		return s.Backend.RemoveSlave(ctx, c.Param("name"), force)
	})
}

// changeSlave makes a change within its time, and answers with the slave.
func (s *server) changeSlave(c *gin.Context, change func(ctx context.Context) (task.Slave, error)) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.CallTimeout)
	defer cancel()
	slave, err := change(ctx)
	if err != nil {
		return err
	}
	s.answer(c, wire.SlaveAnswer{Slave: wire.FromSlave(&slave)})
	return nil
}

// listSlaves shows the registry, in registration order.
func (s *server) listSlaves(c *gin.Context, q *query) error {
	view, err := s.read(c, q)
	if err != nil {
		return err
	}
	s.stamp(c, view.Index())
	l := s.list(c)
	defer l.close()
	l.text(`{"slaves":[`)
	for _, slave := range view.Slaves() {
		if err := l.grow(slave.Bytes() + slaveFixed); err != nil {
			return err
		}
		add := func(b []byte) []byte { return wire.AppendSlave(b, &slave) }
		if _, err := l.item(add, math.MaxInt); err != nil {
			return err
		}
	}
	return l.end(struct{}{})
}

// slaveFixed is about what a slave takes in an answer besides its texts.
const slaveFixed = 256
