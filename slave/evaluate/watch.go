package evaluate

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

// watchEvery is how often a process that watches itself looks.
const watchEvery = 50 * time.Millisecond

// watchMemory panics when this process has more memory than it may, and returns
// when ctx ends. It is for systems that can't be told a limit, and weaker than
// one: what is taken between two looks is not seen.
func watchMemory(ctx context.Context, limit uint64) {
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for {
		if has := memory(); has > limit {
			panic(fmt.Sprintf("the evaluating process has %d bytes of memory; at most %d are possible", has, limit))
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// memory is what Go's runtime holds of the system's memory.
func memory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
