// Thumbnails is a slave with a kind of its own that is idempotent: "thumbnail"
// says how large the thumbnail of a picture is. Running it twice does no harm, so
// muster runs it again when a slave vanishes. Its errors show the three ways in which
// a handler fails:
//
//   - what is not the size of a picture: fatal, the task fails
//   - a disk that is full: retryable, the master tries again, up to max_tries
//   - a picture without a height: a panic, which fails its task and nothing else
//
// It runs until SIGINT or SIGTERM, and then finishes what it has:
//
//	go run ./examples/go/thumbnails -name thumbs-1 -listen 127.0.0.1:9401 -masters http://127.0.0.1:8101
package main
