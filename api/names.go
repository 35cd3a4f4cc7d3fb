package api

import (
	"context"
	"slices"
	"strconv"

	"muster/task"
)

// Names are held to task.CheckName where something new gets one. What an earlier
// version let in under a wider grammar goes on working: a slave may register again
// as it is, its kinds may be asked for, and a member may tell its new addresses.

// newName refuses a name that is neither right nor known already.
func newName(field, name string, known bool) *task.Error {
	if err := task.CheckName(name); err != nil && !known {
		return invalid("%s %s", field, err)
	}
	return nil
}

// slaveNames checks the names that a registration brings.
func (s *server) slaveNames(ctx context.Context, r *task.Registration) *task.Error {
	var rec task.Slave
	var known bool
	if view, err := s.Backend.Read(ctx, ReadOptions{}); err == nil {
		rec, known = view.Slave(r.Name)
	}
	if refusal := newName("name", r.Name, known); refusal != nil {
		return refusal
	}
	for i, k := range r.Kinds {
		if refusal := newName("kinds["+strconv.Itoa(i)+"].name", k.Name, hasKind(&rec, k.Name)); refusal != nil {
			return refusal
		}
	}
	return nil
}

// kindName checks the kind of a task.
func (s *server) kindName(ctx context.Context, kind string) *task.Error {
	if task.CheckName(kind) == nil {
		return nil
	}
	view, err := s.Backend.Read(ctx, ReadOptions{})
	known := err == nil && slices.ContainsFunc(view.Slaves(), func(rec task.Slave) bool { return hasKind(&rec, kind) })
	return newName("kind", kind, known)
}

// masterName checks the id of a master that wants to join.
func (s *server) masterName(id string) *task.Error {
	return newName("id", id, slices.ContainsFunc(s.Backend.Masters(), func(m task.Master) bool { return m.ID == id }))
}

func hasKind(rec *task.Slave, kind string) bool {
	return slices.ContainsFunc(rec.Kinds, func(k task.Kind) bool { return k.Name == kind })
}
