//go:build !race

package api

// slack is none without the race detector.
const slack = 1
