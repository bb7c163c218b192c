package experiments

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A run whose start comes from a calibration that another run has kept is the run
// that it would be without, bit for bit; what another seed, target or need would
// see is not taken for it, and what is damaged is made anew. Its batches count.
func TestCalibrationsAreKept(t *testing.T) {
	for _, method := range []string{"lora-ga", "eva", "lora-da"} {
		cache := filepath.Join(t.TempDir(), Calibrations)
		ran := 0
		run := func(cached bool, change ...func(*Config)) map[string][]byte {
			r := tinyRun(t, method, change...)
			if cached {
				r.Cache = cache
			}
			ran = 0
			r.Calibrating = func(batch, batches int, bytes int64) {
				if batch != ran || batches%calibrationBatches != 0 || bytes <= 0 {
					t.Errorf("%s: told of batch %d of %d, of %d bytes, after %d", method, batch, batches, bytes, ran)
				}
				ran++
			}
			rec, err := r.Do(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			want := calibrationBatches
			if method == "lora-da" {
				want *= 2 // gradients, then moments
			}
			if rec.Train.CalibrationBatches != want {
				t.Errorf("%s: the record has %d batches, want %d", method, rec.Train.CalibrationBatches, want)
			}
			if ran != 0 && ran != want {
				t.Errorf("%s: %d batches were run, want %d or none", method, ran, want)
			}
			weights, err := os.ReadFile(filepath.Join(r.Dir, "adapter", "adapter_model.safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			return map[string][]byte{"adapter": weights}
		}
		same := func(x, y map[string][]byte) bool { return maps.EqualFunc(x, y, bytes.Equal) }
		alone := run(false)
		if first := run(true); ran == 0 || !same(first, alone) {
			t.Errorf("%s: %d batches were run, and the adapter is equal: %t", method, ran, same(first, alone))
		}
		if second := run(true); ran != 0 || !same(second, alone) {
			t.Errorf("%s: with the cache %d batches were run, and the adapter is equal: %t", method, ran, same(second, alone))
		}
		if run(true, func(c *Config) { c.Train.LR *= 2 }); ran != 0 {
			t.Errorf("%s: another learning rate calibrates anew", method)
		}
		for what, change := range map[string]func(*Config){
			"seed":    func(c *Config) { c.Train.Seed++ },
			"targets": func(c *Config) { c.Targets = Targets{Names: []string{"q_proj"}} },
			"batch":   func(c *Config) { c.Train.Batch++ },
		} {
			if run(true, change); ran == 0 {
				t.Errorf("%s: another %s takes the calibration for its own", method, what)
			}
		}
		files, err := filepath.Glob(filepath.Join(cache, "*"))
		if err != nil || len(files) != 4 {
			t.Fatalf("%s: have files %q, %v", method, files, err)
		}
		for _, f := range files {
			whole, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, damaged := range [][]byte{nil, whole[:len(whole)-1], append(slices.Clone(whole[:len(whole)-9]), whole[len(whole)-8:]...), flipped(whole, 100), flipped(whole, len(whole)-20)} {
				if err := os.WriteFile(f, damaged, 0o666); err != nil {
					t.Fatal(err)
				}
				if _, ok := readCalibration(f); ok {
					t.Errorf("%s: a damaged file is read", method)
				}
			}
		}
		if again := run(true); ran == 0 || !same(again, alone) {
			t.Errorf("%s: after damage %d batches were run, and the adapter is equal: %t", method, ran, same(again, alone))
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 1
	return b
}

// Contents that promise more than the file has are no reason to take memory.
func TestCalibrationFileThatCannotBe(t *testing.T) {
	for _, line := range []string{
		`{"Gradients":[{"Name":"a","Values":1000000000000}]}`, `{"Gradients":[{"Name":"a","Values":-1}]}`,
		`{"Moments":[{"Name":"a","Inputs":4000000000,"Of":"a"}]}`, `{"Moments":[{"Name":"a","Inputs":2,"Of":"b"}]}`, `{"Moments":[{"Name":"a","Inputs":4000000000,"Components":4000000000,"Of":"a"}]}`,
		`{"Moments":[{"Name":"a","Inputs":1,"Outputs":-1,"Of":"a"}]}`, `{`, ``,
	} {
		text := line + "\n" + string(make([]byte, 100))
		if _, err := decodeCalibration(bytes.NewReader([]byte(text)), int64(len(text))); err == nil {
			t.Errorf("%s is taken", line)
		}
	}
}

// A method that needs nothing of the batches sees none.
func TestNothingToCalibrate(t *testing.T) {
	r := tinyRun(t, "pissa")
	r.Calibrating = func(int, int, int64) { t.Error("a batch is run") }
	rec, err := r.Do(context.Background())
	if err != nil || rec.Train.CalibrationBatches != 0 {
		t.Errorf("have %v, %v", rec, err)
	}
}

// With blocks computed again gradients come map by map, from graphs of their own, and
// take the memory of one block.
func TestStreamedGradients(t *testing.T) {
	for _, method := range []string{"lora-ga", "lora-da"} {
		var most int64
		ran := 0
		r := tinyRun(t, method, func(c *Config) { c.Checkpoint.Blocks = true })
		r.Calibrating = func(batch, batches int, bytes int64) {
			if batch != ran || batches%calibrationBatches != 0 {
				t.Errorf("%s: told of batch %d of %d after %d", method, batch, batches, ran)
			}
			ran++
			most = max(most, bytes)
		}
		if _, err := r.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		if whole := int64(4 * (32*(32+2*16+32) + 3*32*48)); method == "lora-ga" && most != whole {
			t.Errorf("%s: told of %d bytes: want those of one block, %d", method, most, whole)
		}
	}
}
