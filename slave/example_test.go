package slave_test //nolint:testableexamples // it needs masters

import (
	"context"
	"log"
	"os/signal"
	"strings"
	"syscall"

	"muster/api/client"
	"muster/slave"
	"muster/task"
)

// The Go client of the masters is what a slave needs of them.
var _ slave.Masters = (*client.Client)(nil)

// A slave that runs tasks of a kind of its own. It runs until it is told to
// stop, so there is nothing that a test could compare.
func Example() {
	masters, err := client.New(client.Config{Addresses: []string{"http://10.0.0.1:8001", "http://10.0.0.2:8001"}})
	if err != nil {
		log.Fatal(err)
	}
	defer masters.Close()

	upper := func(_ context.Context, o task.Order) (task.Value, error) {
		return task.Value{Type: task.String, Text: strings.ToUpper(o.Expression)}, nil
	}
	s, err := slave.New(slave.Config{
		Name:    "slave-1",
		Listen:  "10.0.0.5:9001",
		Slots:   4,
		Masters: masters,
		Kinds:   []slave.Kind{{Name: "upper", Idempotent: true, Handle: upper}},
	})
	if err != nil {
		log.Print(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := s.Run(ctx); err != nil {
		log.Print(err)
	}
}
