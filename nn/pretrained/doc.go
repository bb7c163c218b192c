// Package pretrained reads and writes checkpoints in Hugging Face's form: a
// folder with config.json and model.safetensors, or its shards. Nothing is
// guessed: a tensor too many, too few or of another shape is an error that
// names it.
//
// It creates no files: what is written goes to writers that the caller makes.
package pretrained
