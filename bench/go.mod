module github.com/lowrank/lowrank/bench

go 1.26.0

require (
	github.com/lowrank/lowrank v0.0.0
	github.com/lowrank/lowrank/experiments v0.0.0
	github.com/nlpodyssey/spago v1.1.0
	gonum.org/v1/gonum v0.17.0
)

require (
	github.com/google/flatbuffers v23.5.26+incompatible // indirect
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/lowrank/lowrank => ../

replace github.com/lowrank/lowrank/experiments => ../experiments
