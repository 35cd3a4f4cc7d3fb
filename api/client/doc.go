// Package client talks to the masters of a cluster: give it several addresses,
// and it finds and follows the leader, repeats what is safe to repeat, and never
// repeats what is not.
//
//	c, err := client.New(client.Config{Addresses: []string{"http://10.0.0.1:8101", "http://10.0.0.2:8101"}})
//	…
//	done, err := c.Submit(ctx, client.Submission{Expression: "2+3*x", Parameters: client.Parameters{client.Parameter("x", "4")}}, client.SubmitOptions{})
//	…
//	t, err := c.Wait(ctx, done.Task.ID)
//
// A call is tried at each address in turn, and again after a pause that grows
// and is never twice the same, until it is answered or its context ends: give it
// a deadline. A submit carries one Idempotency-Key through all its repetitions,
// so it makes one task. A call that may have been done and must not be done
// twice is not repeated: its error has the code outcome_unknown.
//
// Reads go to the given addresses alone and carry the highest index that this
// client has seen, so a client reads its own writes on any master.
//
// call.go holds the loop; the requests themselves are generated from
// api/openapi.yaml into internal/raw.
package client
