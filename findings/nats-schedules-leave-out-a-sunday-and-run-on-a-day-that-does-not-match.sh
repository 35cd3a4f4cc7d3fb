#!/usr/bin/env bash
# nats-server v2.15.3, message schedules (Nats-Schedule with Nats-Schedule-Time-Zone): in zones where clocks change at
# midnight, so that a day begins at 01:00, that day is not found. A weekly schedule for Sundays at 09:00 in Santiago leaves
# out the Sunday on which summer time begins, though 09:00 exists on it. A yearly one for 6 September at 09:00 skips the
# years in which that day is this Sunday, and in 2031 runs on 7 September, which its pattern does not name.
# Expected: 2026-09-06 first in both lines, and 6 September in each year.
# The server asks the function below for the next time of each schedule; it is called here so that nobody waits for September.
set -euo pipefail

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'EOF'
module finding

go 1.26

require github.com/nats-io/nats-server/v2 v2.15.3
EOF
touch linkname.s # lets a function have no body
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"time"
	_ "unsafe"

	_ "github.com/nats-io/nats-server/v2/server"
)

//go:linkname parseCron github.com/nats-io/nats-server/v2/server.parseCron
func parseCron(pattern string, loc *time.Location, ts int64) (time.Time, error)

func main() {
	santiago, err := time.LoadLocation("America/Santiago")
	if err != nil {
		panic(err)
	}
	for _, pattern := range []string{"0 0 9 * * 0", "0 0 9 6 9 *"} { // seconds first
		at := time.Date(2026, time.September, 5, 12, 0, 0, 0, santiago)
		fmt.Print(pattern, ":")
		for range 3 {
			at, err = parseCron(pattern, santiago, at.UnixNano())
			if err != nil {
				panic(err)
			}
			fmt.Print(at.Format(" Mon 2006-01-02 15:04"))
		}
		fmt.Println()
	}
}
EOF
go mod tidy 2>/dev/null
seen="$(go run .)"
echo "$seen"
expected='0 0 9 * * 0: Sun 2026-09-13 09:00 Sun 2026-09-20 09:00 Sun 2026-09-27 09:00
0 0 9 6 9 *: Fri 2030-09-06 09:00 Sun 2031-09-07 09:00 Sat 2036-09-06 09:00'
[[ "$seen" == "$expected" ]] || { echo "changed: this was seen before:"; echo "$expected"; exit 1; }
