package fsm

import (
	"strconv"

	"muster/task"
)

func (s *State) putMaster(x PutMaster, c *change) {
	old, known := s.masters.Get(x.ID)
	m := task.Master{ID: x.ID, RaftAddress: x.RaftAddress, APIURL: x.APIURL, Commands: x.Commands, Index: old.Index}
	if known && m == old {
		return
	}
	m.Index = c.index
	s.masters.Set(m.ID, m)
	c.tell(Event{Kind: MasterPut, Master: &m})
}

func (s *State) removeMaster(x RemoveMaster, c *change) *task.Error {
	m, ok := s.masters.Delete(x.ID)
	if !ok {
		return task.Refuse(task.CodeMasterNotFound, "there is no master "+strconv.Quote(x.ID))
	}
	c.tell(Event{Kind: MasterRemoved, Master: &m})
	return nil
}
