package wire

import (
	"fmt"
	"time"

	"muster/task"
)

// toMoment reads a time (RFC 3339) or a while after the submit (as package time
// writes durations), in whole milliseconds.
func toMoment(field, s string) (task.Moment, *task.Error) {
	if s == "" {
		return task.Moment{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		if d < time.Millisecond || d > task.MaxAfterMS*time.Millisecond {
			return task.Moment{}, refuse(fmt.Sprintf("%s must be from 1ms to %s after the submit, not %.40q", field, shortly(task.MaxAfterMS), s))
		}
		return task.Moment{AfterMS: d.Milliseconds()}, nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || at.UnixMilli() <= 0 {
		return task.Moment{}, refuse(fmt.Sprintf("%s must be a time like 2026-11-24T06:00:00Z or a while after the submit like 90s, not %.40q", field, s))
	}
	return task.Moment{At: task.Millis(at.UnixMilli())}, nil
}

// fromMoment is the inverse.
func fromMoment(m task.Moment) string {
	switch {
	case m.AfterMS != 0:
		return shortly(m.AfterMS)
	case m.At != 0:
		return Instant(m.At).Format(time.RFC3339Nano)
	default:
		return ""
	}
}

// toBackoff reads the wait before a second try.
func toBackoff(s string) (int64, *task.Error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > task.MaxBackoffMS*time.Millisecond || d > 0 && d < time.Millisecond {
		return 0, refuse(fmt.Sprintf("retry.backoff must be a duration like 500ms or 10s, at most %s, not %.40q", shortly(task.MaxBackoffMS), s))
	}
	return d.Milliseconds(), nil
}

func fromBackoff(ms int64) string {
	if ms == 0 {
		return ""
	}
	return shortly(ms)
}

func shortly(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
