// Package examples holds small programs that use the slave library: thumbnails, whose
// kind is idempotent, and mailer, whose kind is not. The test of this package runs
// both against a real master.
package examples
