// Package analyze measures adapters at rest: what each has made of every map's
// weight, alone or against the base, how several stand to each other, and the
// path that the checkpoints of one run have taken. It reads PEFT's files of
// every kind that package lora reads. A metric of the instruments' table
// (package lora/probe) is the very same here; what a method gives no definition
// for is left out, with its reason, never approximated.
package analyze
