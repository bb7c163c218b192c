// Package verify runs recorded references and says where this code agrees with
// them: layers and optimizers that PEFT recorded, models and their adapters
// that transformers and PEFT recorded, and tokenizers. A folder of each kind is
// read by a file of its own; all give rows of one form.
package verify
