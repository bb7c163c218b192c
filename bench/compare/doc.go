// Package compare measures our kernels beside what a user would pick instead,
// in one run and alternating in short blocks, and says for every piece of work
// whether it reaches its target. The peak of the cores and the bandwidth of
// caches and memory are measured in the same run, so that a rate has something
// to be a part of.
package compare
