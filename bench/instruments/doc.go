// Package instruments measures what the instruments cost: whole training steps
// with them against such steps without, the memory that they hold, and the
// spectrum of a change from its factors against the decomposition of the change
// as a whole.
package instruments
