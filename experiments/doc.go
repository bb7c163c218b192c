// Package experiments trains one model with one adaptation method and records
// what happened: the configuration of a run, its one training loop, and how a
// run that was cut off goes on. A [Setting] is what is trained on: the bytes of
// the study's texts, or examples of the user's own for one of [Tasks].
package experiments
