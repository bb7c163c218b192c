// Package training compares whole training steps with PyTorch, transformers and
// PEFT: the same weights, the same start and the same batch, on the same cores
// in turn. Each side of each training is a process of its own ([Serve] and
// [peers.Steps]), so that its memory is its own, imports counted. Before
// anything is timed, both must have had the same losses.
package training
