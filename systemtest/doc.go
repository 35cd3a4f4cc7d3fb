// Package systemtest tests the whole system from outside: masters and slaves as
// the application wires them, on loopback, with real files, spoken to by the Go
// client alone. The real executable, killed with SIGKILL, is tested by the demo's
// script (muster demo --script).
package systemtest
