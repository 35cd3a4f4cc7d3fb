// Package timelimit says how long tests wait for real processes, connections and
// disks. What a test finds out must not depend on how fast the machine is: it waits
// for events, and a time limit only ends a wait for what never comes.
//
// All limits are for a machine that is several times slower than a quiet one with two
// processors. MUSTER_TEST_SLOWDOWN=20 says that this one is 20 times slower.
package timelimit
