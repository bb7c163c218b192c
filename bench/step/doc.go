// Package step makes whole training steps, at the shapes that this framework is
// compared with others in: a BERT-like encoder, a Llama-like decoder, and a
// model of the study's scale. It knows how many multiply-adds of matrices a
// step needs and what memory, and writes model and adapter for others to make
// the same step.
package step
