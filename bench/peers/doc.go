// Package peers runs what a user would pick instead of this framework's
// kernels: oneDNN and OpenBLAS, and PyTorch for attention. Each is a process of
// its own that is asked over a pipe, so that no Go package needs C: small C
// programs, built with gcc when they are first wanted and kept in the user's
// cache folder, and a Python script.
//
// A [Job] names the work; both sides of the pipe make its operands by
// themselves ([Fill]), so that results can be compared before times are. A
// request is the ten int32 of struct job in c/serve.h, a reply an int32 status,
// an int32 length and as many bytes: a line of text, the seconds of each repeat
// as float64, or the outputs as float32; all little-endian.
//
// [Models] is asked about whole models instead, and [Steps] makes training steps,
// both in lines of JSON ([Server]): PyTorch with transformers and PEFT.
//
// A peer that is not there is a [*Missing], with the line that tells how to get
// it.
package peers
