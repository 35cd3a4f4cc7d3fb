// Package raw is the generated client: one request, to one master, for each
// call of api/openapi.yaml. It knows nothing of leaders and repeats nothing;
// package client does.
package raw

//go:generate oapi-codegen -config client.yaml ../../../openapi.yaml
