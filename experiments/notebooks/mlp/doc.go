// Package mlp is the network that notebooks train where they need many runs of
// a problem that they control: linear maps with ReLU between them, adapted by a
// method of lora, that learn given outputs from all samples in every step. What
// the probe asks for is there: its batch is that of the steps.
package mlp
