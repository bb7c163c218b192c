// Package reference holds this framework against PyTorch, transformers and PEFT
// on whole models: the embeddings of a real checkpoint, a training run on it,
// and adapters that one side writes and the other reads. Times are information;
// what must agree are results.
//
// The other side is [peers.Models]. Rows and verdicts are those of package
// compare.
package reference
