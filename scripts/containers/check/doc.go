// Package check holds the files for containers against what reads them, and runs
// what they say, where there is no container engine.
//
// The Dockerfile, the Compose file and the manifests are read by the libraries
// that engine, Compose and Kubernetes read them with, and judged: what they refer
// to must exist. A table of mistakes shows that each judgement can fail.
//
// Then the very command lines run, on real processes: the steps of the Dockerfile
// give the image's files; every container is a process with its own network,
// mounts and process ids, as the image's user, on a root that it can't write, with
// the environment, names and volumes that the files give it. What is left out is
// what only an engine or a cluster has: cgroups, seccomp, images, controllers.
//
// It is a module of its own, so that its dependencies stay out of muster's.
package check
