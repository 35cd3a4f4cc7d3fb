// Mailer is a slave with a kind of its own that is not idempotent: "mail" adds a
// letter to an outbox, and nobody wants it twice. So muster runs such a task at most
// once: when the slave vanishes with it, it ends as lost. An error is fatal unless it
// says Retryable, and the handler ends early when its context ends.
//
// It runs until SIGINT or SIGTERM, and then finishes what it has:
//
//	go run ./examples/go/mailer -name mailer-1 -listen 127.0.0.1:9402 -outbox /tmp/outbox.txt -masters http://127.0.0.1:8101
package main
