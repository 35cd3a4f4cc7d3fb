package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"muster/api/client"
	"muster/api/wire"
	"muster/cluster"
	"muster/task"
)

// peers is a master's way to the APIs of other masters.
type peers struct{ http *http.Client }

var _ cluster.Peers = peers{}

// Hello asks a master who it is.
func (p peers) Hello(ctx context.Context, apiURL string) (cluster.Hello, error) {
	c, err := p.client(apiURL)
	if err != nil {
		return cluster.Hello{}, err
	}
	s, err := c.Status(ctx, apiURL, false)
	if errors.Is(err, client.ErrSlave) {
		return cluster.Hello{}, cluster.ErrSlave
	}
	if refusal, ok := errors.AsType[*client.Error](err); ok && errors.Is(err, client.ErrRaftPort) {
		return cluster.Hello{}, &raftPortError{strings.TrimPrefix(refusal.Message, refusal.Address+": ")} // the node names the URL
	}
	if err != nil {
		return cluster.Hello{}, err
	}
	return cluster.Hello{
		ID: s.ID, DiskID: s.DiskID, ClusterID: s.ClusterID, Founders: s.Founders,
		RaftAddress: s.RaftAddress, APIURL: s.APIURL,
		AppliedIndex: s.AppliedIndex, Term: s.Term, LeaderID: s.LeaderID,
		LeaderURL: s.LeaderURL, Ready: s.Ready, NotReady: s.NotReady, WallClock: millis(s.Time),
		FreeDisk: s.DiskFreeBytes, DiskLow: s.DiskLow,
	}, nil
}

// raftPortError is cluster.ErrRaftPort in the words of who is there.
type raftPortError struct{ says string }

func (e *raftPortError) Error() string { return e.says }
func (e *raftPortError) Unwrap() error { return cluster.ErrRaftPort }

// millis is 0 for a time that was not said.
func millis(t time.Time) task.Millis {
	if t.IsZero() {
		return 0
	}
	return task.Millis(t.UnixMilli())
}

// Join asks the cluster of a master to take another in.
func (p peers) Join(ctx context.Context, apiURL string, req task.JoinRequest) (string, error) {
	c, err := p.client(apiURL)
	if err != nil {
		return "", err
	}
	joined, err := c.Join(ctx, wire.FromJoinRequest(req))
	if err != nil {
		return "", err
	}
	return joined.ClusterID, nil
}

func (p peers) client(apiURL string) (*client.Client, error) {
	return client.New(client.Config{Addresses: []string{apiURL}, HTTPClient: p.http})
}
