//go:build race

package api

// slack is for the race detector, under which pools forget things.
const slack = 2
