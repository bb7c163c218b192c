package experiments

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/lowrank/lowrank/lora"
	"github.com/lowrank/lowrank/lora/adapter"
)

// Components are read back as they were written, and maps that share them share
// them again.
func TestCalibrationFileOfComponents(t *testing.T) {
	l := &adapter.Components{Variances: []float64{3, 1}, Directions: []float32{1, 0, 0, 0, 0, 1}, Total: 5}
	mean := []float64{1, 2, 3}
	c := calibration{Gradients: lora.Gradients{}, Moments: lora.Moments{
		"q": {Rows: 7, Mean: mean, Leading: l}, "k": {Rows: 7, Mean: mean, Leading: l},
	}}
	var file bytes.Buffer
	if err := c.encode(&file); err != nil {
		t.Fatal(err)
	}
	again, err := decodeCalibration(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Fatalf("have %+v, want %+v (%v)", again, c, err)
	}
	if again.Moments["q"].Leading != again.Moments["k"].Leading {
		t.Error("shared components are two")
	}
}
