// Package demo shows what muster does: masters and slaves as real processes of
// this machine, in a temporary directory, with what they say to each other in
// plain words.
//
// Run is the whole demo. In a terminal it takes single keys (keys.go) that kill,
// freeze, restart and submit, and keeps a status area under the lines that
// scroll (panel.go draws it, screen.go keeps it in place). Without a terminal,
// or with Config.Script, it tells a fixed story (script.go, one file per act)
// and checks it: every task that was acknowledged stands in a ledger
// (ledger.go), and is looked for on each surviving master (audit.go).
//
// Processes are started by process.go, each in a group of its own, and are all
// killed before Run returns; on Linux the kernel kills them even when the demo
// itself is killed.
package demo
