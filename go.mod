module github.com/lowrank/lowrank

go 1.26.0

require (
	github.com/klauspost/cpuid/v2 v2.4.2
	github.com/nlpodyssey/safetensors v0.0.0-20250209183917-bfb01cc25f7c
	github.com/nlpodyssey/spago v1.1.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.49.0
	golang.org/x/text v0.43.0
	gonum.org/v1/gonum v0.17.0
)

require (
	github.com/google/flatbuffers v23.5.26+incompatible // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
)
