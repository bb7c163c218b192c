// Package nn holds the modules of a model on the operators of package ag,
// with the names that Hugging Face checkpoints use. A model family is one
// file that reads in the order of its forward pass (nn/llama); optimizers are
// chains of small transformations (nn/optim); checkpoints are read and
// written by nn/pretrained.
//
// Modules are built on a [Context], which carries the tape and the batch.
// Tensors are rows of tokens: batch·tokens × features.
package nn
