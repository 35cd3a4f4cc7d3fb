package cluster

import (
	"context"
	"time"

	"muster/task/wait"
)

func sleep(ctx context.Context, d time.Duration) bool { return wait.Sleep(ctx, d) }
