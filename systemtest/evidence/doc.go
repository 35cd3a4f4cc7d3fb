// Package evidence judges a run of the system by what was seen of it: what
// clients were told, what slaves executed, and what every master holds at the
// end. Check names each promise that the evidence contradicts. It knows nothing
// of how the run was made, so a run in fake time and one of real processes are
// judged alike.
package evidence
