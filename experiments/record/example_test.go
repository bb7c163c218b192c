package record_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/lowrank/lowrank/experiments/record"
)

// A run's life: announced, observed, closed.
func Example() {
	root, err := os.MkdirTemp("", "study")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(root)
	dir := filepath.Join(root, "lora_seed1")

	run := &record.Run{ID: "lora_seed1", Status: record.Running, Machine: record.ThisMachine()}
	if err := run.Write(dir); err != nil {
		fmt.Println(err)
		return
	}
	log, err := record.OpenLog(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = log.Add(
		record.Metric{Step: 1, Name: "train_loss", Value: 2.5},
		record.Metric{Step: 2, Name: "train_loss", Value: math.NaN()},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := log.Close(); err != nil {
		fmt.Println(err)
		return
	}
	if err := record.WriteParquet(dir, run.ID); err != nil {
		fmt.Println(err)
		return
	}
	run.Status, run.DivergedAt = record.Diverged, 2
	if err := run.Write(dir); err != nil {
		fmt.Println(err)
		return
	}

	run, _ = record.ReadRun(dir)
	metrics, _ := record.ReadMetrics(dir)
	fmt.Println(run.Status, metrics)
	// Output: diverged [{1  train_loss 2.5} {2  train_loss NaN}]
}
