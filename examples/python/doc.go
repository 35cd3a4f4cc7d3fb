// Package python holds slave.py, a slave in plain Python 3 with nothing but its
// standard library, written after docs/slave-protocol.md. There is no Go in it but
// the tests: the conformance test (muster slave-test), and a real cluster whose
// leader is killed while the slave works.
package python
