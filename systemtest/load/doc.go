// Load measures what a cluster does with more than it can do: real masters and real
// slaves, each a process of its own on loopback, on the machine that also makes the
// load.
//
//	go run ./systemtest/load connections     2,000 connections submit without a pause; two slaves of 4 slots
//	go run ./systemtest/load neighbours      64 clients, beside two other clusters under the same load
//	go run ./systemtest/load readers         768 readers of events, while 100 tasks a second are submitted
//
// Each mode first measures the same cluster without that load: what few clients get
// done at their best, one cluster alone, submits without readers. What it then prints
// is mostly compared with that, because rates of two days or two machines are not.
// All but readers measures the same once more after the load, because the machine may
// have had something else to do before. -for is how long the load lasts, -calm how long each
// measurement without it; -muster names another build to compare with.
//
// It prints rates of accepted tasks and of every code that was answered, with the
// times to the answer (p50, p99, greatest), the elections since the load began, and the
// most memory that each process had. Everything is bounded in time: by -for, -calm, and
// for starting by -limit.
package main
