// Package app is the composition root: it wires a master (cluster, dispatch,
// api) or a slave from a configuration. Commands parse flags and call it; system
// tests embed it.
package app
