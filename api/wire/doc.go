// Package wire holds the JSON shapes of the HTTP API and their conversion to
// and from the vocabulary of package task.
//
// The models are generated from api/openapi.yaml, which is the source of every
// name in them. A field that the wire may leave out has omitempty in its tag; all
// others are required, and Decoder reads that from the tags. What a generator
// can't say is written by hand: ParameterList keeps the digits of numbers, and
// Decoder refuses what encoding/json would let pass. So are, for speed, the answers of
// which there are many (append.go); tests hold them and Decoder against encoding/json.
package wire

//go:generate oapi-codegen -config models.yaml ../openapi.yaml
