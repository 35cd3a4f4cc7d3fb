package slave

import (
	"context"

	"muster/task"
)

// Masters is the way to the masters, any of them; *client.Client of api/client
// is one. Its methods are safe for
// concurrent use and return when ctx ends. They follow the leader by
// themselves. A refusal is a *task.Error; any other error says that no master
// could be asked, or that what came of it is not known. Each may be repeated
// without harm.
type Masters interface {
	// RegisterSlave puts the slave into the registry. The leader calls the
	// slave at its URL before it answers. It returns which cluster answered, also
	// with a refusal; empty if that is not known.
	RegisterSlave(ctx context.Context, r task.Registration) (cluster string, err error)
	// Report tells results, as worker.Reporter asks.
	Report(ctx context.Context, r task.Report) ([]task.Verdict, error)
	// LeaveSlave says goodbye for an incarnation.
	LeaveSlave(ctx context.Context, name, incarnation string) error
}
