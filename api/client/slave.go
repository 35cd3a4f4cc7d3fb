package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"muster/api/client/internal/raw"
	"muster/api/wire"
	"muster/task"
)

// This file is what slaves call. Each call is one round: every address at most
// once, redirects followed, no pause. A slave has its own patience, and newer
// words on its free slots by the time that it tries again. Each may be repeated
// without harm. Which cluster it works for the slave knows itself, so that it can go
// to another one when its masters are that.

// RegisterSlave puts a slave into the registry. The leader calls it back before
// it answers. It returns the cluster of the master that answered last.
func (c *Client) RegisterSlave(ctx context.Context, r task.Registration) (cluster string, err error) {
	var out wire.SlaveAnswer
	err = c.do(ctx, call{
		what: "register slave " + r.Name, write: true, safe: true, once: true, timeout: c.cfg.AttemptTimeout,
		anyCluster: true, answered: func(theirs string) { cluster = theirs },
		build: func(base string) (*http.Request, error) {
			return raw.NewRegisterSlaveRequest(base, &wire.RegisterSlaveParams{}, wire.FromRegistration(r))
		},
	}, &out)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Code == task.CodeWrongCluster {
		cluster = refusal.Cluster
	}
	return cluster, err
}

// LeaveSlave says goodbye for an incarnation of a slave.
func (c *Client) LeaveSlave(ctx context.Context, name, incarnation string) error {
	var out wire.SlaveAnswer
	return c.do(ctx, call{
		what: "say goodbye for slave " + name, write: true, safe: true, once: true, timeout: c.cfg.AttemptTimeout, anyCluster: true,
		build: func(base string) (*http.Request, error) {
			return raw.NewLeaveSlaveRequest(base, name, &wire.LeaveSlaveParams{}, wire.Leave{Incarnation: incarnation})
		},
	}, &out)
}

// maxReport keeps a report's body well under the masters' limit of 1 MiB.
const maxReport = 900 << 10

// Report tells results and returns the verdicts, in order. A report too large
// for one request is told in several; if one fails, the verdicts of those before
// come with the error.
func (c *Client) Report(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	verdicts := make([]task.Verdict, 0, len(r.Results))
	for first := true; first || len(r.Results) > 0; first = false {
		part := r
		n := fitting(r.Results)
		part.Results, r.Results = r.Results[:n], r.Results[n:]
		told, err := c.report(ctx, part)
		if err != nil {
			return verdicts, err
		}
		verdicts = append(verdicts, told...)
	}
	return verdicts, nil
}

func (c *Client) report(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	out := toldVerdicts{strict: c.verdicts}
	body := wire.AppendReport(nil, &r)
	err := c.do(ctx, call{
		what: "report results of slave " + r.Slave, write: true, safe: true, once: true, timeout: c.cfg.AttemptTimeout,
		cluster: r.Cluster, anyCluster: true,
		build: func(base string) (*http.Request, error) {
			return raw.NewReportResultsRequestWithBody(base, &wire.ReportResultsParams{}, "application/json", bytes.NewReader(body))
		},
	}, &out)
	if err != nil {
		return nil, err
	}
	if len(out.Results) != len(r.Results) {
		return nil, fmt.Errorf("report %d results of slave %s: the master answered for %d", len(r.Results), r.Slave, len(out.Results))
	}
	told := make([]task.Verdict, len(out.Results))
	for i := range out.Results {
		told[i] = wire.ToVerdict(out.Results[i])
	}
	return told, nil
}

// toldVerdicts are verdicts that are read strictly, which is quicker, unless a newer master says more of them
// than is known here.
type toldVerdicts struct {
	wire.Verdicts

	strict wire.Decoder[wire.Verdicts]
}

// UnmarshalJSON reads an answer to a report.
func (v *toldVerdicts) UnmarshalJSON(body []byte) error {
	read, refusal := v.strict.Decode(body)
	if refusal == nil {
		v.Verdicts = read
		return nil
	}
	return json.Unmarshal(body, &v.Verdicts)
}

// fitting returns how many of the results fit into one request, at least one if
// there is one.
func fitting(results []task.Result) int {
	size := 0
	for i := range results {
		// A byte becomes at most six in JSON; what is small even then need not
		// be encoded to be measured.
		if n := 256 + 6*(len(results[i].Value.Text)+len(results[i].Error)); n < 4<<10 {
			size += n
		} else {
			size += len(wire.AppendResult(nil, &results[i])) + 1
		}
		if size > maxReport && i > 0 {
			return i
		}
	}
	return len(results)
}
