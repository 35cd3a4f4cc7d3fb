// Package random has faults happen at random moments, under load, and holds what
// came of it against the promises (docs/promises.md). MUSTER_CAMPAIGN is the length
// of its campaigns in simulated minutes, MUSTER_CAMPAIGN_SEED what they draw from.
package random
