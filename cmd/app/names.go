package app

import (
	"errors"

	"muster/cluster"
	"muster/task"
)

// CheckName accepts what can be the name of something new; see task.CheckName. The
// error is read behind what is named.
func CheckName(name string) error { return task.CheckName(name) }

// CheckLabels accepts the labels of a slave. The error is read behind them.
func CheckLabels(labels []task.Label) error { return task.CheckLabels(labels) }

// Misconfigured reports whether RunMaster ended for a reason that lasts until somebody
// corrects the configuration.
func Misconfigured(err error) bool { return errors.Is(err, cluster.ErrMisconfigured) }

// Settled reports whether a data directory belongs to a cluster. The ids in that
// are what they are, also where a new one could not be.
func Settled(dataDir string) bool { return cluster.Member(dataDir) }
