package api

import (
	"context"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// join takes a master in. That may last as long as its catching up.
func (s *server) join(c *gin.Context, _ *query) error {
	body, err := readBody(s, c, s.decoders.join)
	if err != nil {
		return err
	}
	request := wire.ToJoinRequest(body)
	if refusal := checkJoin(&request); refusal != nil {
		return refusal
	}
	if refusal := s.masterName(request.ID); refusal != nil {
		return refusal
	}
	s.extend(c, s.JoinTimeout)
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.JoinTimeout)
	defer cancel()
	joined, err := s.Backend.Join(ctx, request)
	if err != nil {
		return err
	}
	s.answer(c, wire.Joined{ClusterID: joined.ClusterID, Masters: s.masters(joined.Masters)})
	return nil
}

// listMasters shows the masters, as this one knows them.
func (s *server) listMasters(c *gin.Context, _ *query) error {
	s.answer(c, wire.MasterList{Masters: s.masters(s.Backend.Masters())})
	return nil
}

// masters adds what only this master knows of itself: how far it is.
func (s *server) masters(masters []task.Master) []wire.Master {
	self := s.Backend.Status(false)
	out := make([]wire.Master, len(masters))
	for i := range masters {
		out[i] = wire.FromMaster(&masters[i])
		if masters[i].ID == self.ID {
			out[i].AppliedIndex = self.AppliedIndex
		}
	}
	return out
}

// removeMaster takes a master out.
func (s *server) removeMaster(c *gin.Context, _ *query) error {
	id := c.Param("id")
	s.extend(c, s.JoinTimeout)
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.JoinTimeout)
	defer cancel()
	if err := s.Backend.RemoveMaster(ctx, id); err != nil {
		return err
	}
	s.answer(c, wire.Message{Message: "Master " + id + " is no longer a member."})
	return nil
}

// transferLeadership hands leadership to a master.
func (s *server) transferLeadership(c *gin.Context, _ *query) error {
	id := c.Param("id")
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.CallTimeout)
	defer cancel()
	if err := s.Backend.TransferLeadership(ctx, id); err != nil {
		return err
	}
	s.answer(c, wire.Message{Message: "Leadership was handed to master " + id + "."})
	return nil
}
