// Package ports gives tests addresses that nobody else takes: not another test of
// this process, not another test process that asks this package, and not the
// system, which gives higher ports to outgoing connections. A test may so name an
// address before it listens there, and again while its master is down.
package ports
