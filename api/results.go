package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// reportResults records a slave's results.
func (s *server) reportResults(c *gin.Context, _ *query) error {
	body, err := readBody(s, c, s.decoders.report)
	if err != nil {
		return err
	}
	report, refused := readReport(body)
	if refusal := checkReport(&report); refusal != nil {
		return refusal
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.CallTimeout)
	defer cancel()
	verdicts, err := s.tell(ctx, report, refused)
	if err != nil {
		return err
	}
	s.send(c, http.StatusOK, func(b []byte) []byte { return wire.AppendVerdicts(b, verdicts) })
	return nil
}

// readReport reads a report. One bad result must not keep the others from being
// recorded, so refused has what is wrong with results, by their place.
func readReport(body wire.ReportBody) (r task.Report, refused map[int]*task.Error) {
	r, refused = wire.ToReport(body)
	for i := range r.Results {
		if refused[i] == nil {
			if err := checkResult(&r.Results[i]); err != nil {
				if refused == nil {
					refused = map[int]*task.Error{}
				}
				refused[i] = err
			}
		}
	}
	return r, refused
}

// tell has the backend record the results. The attempt of one that is refused has
// ended all the same, and is recorded as failed; where it can't be told which
// attempt that was, nothing is.
func (s *server) tell(ctx context.Context, r task.Report, refused map[int]*task.Error) ([]task.Verdict, error) {
	if len(refused) == 0 {
		return s.Backend.Results(ctx, r)
	}
	verdicts := make([]task.Verdict, len(r.Results))
	var told []task.Result
	var at []int // of told in r.Results
	for i, x := range r.Results {
		if why := refused[i]; why != nil {
			verdicts[i] = task.Verdict{ID: x.ID, Attempt: x.Attempt, Err: unusable(&x, why)}
			if x.ID == 0 || x.Attempt == 0 {
				continue
			}
			x = task.BrokenResult(x.ID, x.Attempt, why.Message)
		}
		told, at = append(told, x), append(at, i)
	}
	r.Results = told
	answers, err := s.Backend.Results(ctx, r)
	if err != nil {
		return nil, err
	}
	for n, v := range answers {
		if i := at[n]; v.Err != nil || refused[i] == nil {
			verdicts[i] = v
		}
	}
	return verdicts, nil
}

// unusable is the verdict on a malformed result. Slaves of all versions take its codes
// for an end: to repeat it is of no use.
func unusable(r *task.Result, why *task.Error) *task.Error {
	switch {
	case r.ID == 0:
		return task.Refuse(task.CodeTaskNotFound, "it is not known which task the result is of, and nothing is recorded: "+why.Message)
	case r.Attempt == 0:
		return task.Refuse(task.CodeStaleAttempt, "it is not known which attempt the result is of, and nothing is recorded: "+why.Message)
	default:
		return task.Refuse(task.CodeStaleAttempt, fmt.Sprintf("the result can't be recorded, and attempt %d of task %d is recorded as failed: %s", r.Attempt, r.ID, why.Message))
	}
}
