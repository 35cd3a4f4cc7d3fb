package demo

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test's binary stand in for a master or a slave: it is what
// the tests of process start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "child-that-lives":
			fmt.Fprintln(os.Stderr, "here I am")
			time.Sleep(time.Minute) // it is killed long before
			os.Exit(0)
		case "child-that-finds-its-address-taken":
			fmt.Fprintln(os.Stderr, "listen tcp 127.0.0.1:1: bind: address already in use")
			os.Exit(1)
		case "child-that-shows-its-settings":
			fmt.Fprintf(os.Stderr, "MUSTER_ID=%q HOME=%q\n", os.Getenv("MUSTER_ID"), os.Getenv("HOME"))
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}
