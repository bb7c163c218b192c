// Package experiments trains one model with one adaptation method and records
// what happened: the configuration of a run, its one training loop, and how a
// run that was cut off goes on.
package experiments
