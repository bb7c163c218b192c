package pretrained

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// encoded is a file that holds tensors of one value.
func encoded(t *testing.T, names ...string) string {
	t.Helper()
	var tensors []Tensor
	for _, name := range names {
		tensors = append(tensors, Tensor{name, []int{1}, []float32{float32(name[0])}})
	}
	var b bytes.Buffer
	if err := WriteSafetensors(&b, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// folder is a folder with those files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const twoShards = `{"metadata":{"total_size":12},"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"1.safetensors"}}`

func TestCheckpoint(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"one file":   {WeightsFile: encoded(t, "a", "b", "c")},
		"shards":     {IndexFile: twoShards, "1.safetensors": encoded(t, "a", "c"), "2.safetensors": encoded(t, "b")},
		"both":       {IndexFile: "no index", WeightsFile: encoded(t, "a", "b", "c")},
		"and pickle": {WeightsFile: encoded(t, "a", "b", "c"), "pytorch_model.bin": "", "training_args.bin": ""},
	} {
		dir := folder(t, files)
		c, err := OpenCheckpoint(dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := []string{"a", "b", "c"}; !slices.Equal(c.Names(), want) {
			t.Errorf("%s: names %q", name, c.Names())
		}
		for _, tensor := range c.Names() {
			want := "1.safetensors"
			switch {
			case name != "shards":
				want = WeightsFile
			case tensor == "b":
				want = "2.safetensors"
			}
			if file := c.File(tensor); file != filepath.Join(dir, want) {
				t.Errorf("%s: %s is in %s, want %s", name, tensor, file, want)
			}
			x, err := c.Tensor(tensor)
			if err != nil || x.Name != tensor || !slices.Equal(x.Data, []float32{float32(tensor[0])}) {
				t.Errorf("%s: %v, %v", name, x, err)
			}
			if dtype, b, err := c.Raw(tensor); err != nil || dtype != "F32" || len(b) != 4 {
				t.Errorf("%s: %s %v, %v", name, dtype, b, err)
			}
			shape, ok := c.Shape(tensor)
			if dtype, known := c.DType(tensor); !ok || !known || !slices.Equal(shape, []int{1}) || dtype != "F32" {
				t.Errorf("%s: %s is %s %v", name, tensor, dtype, shape)
			}
			if _, err := c.Ints(tensor); err == nil || !strings.Contains(err.Error(), "is F32") {
				t.Errorf("%s: Ints: %v", name, err)
			}
		}
		_, errTensor := c.Tensor("no")
		_, errInts := c.Ints("no")
		_, _, errRaw := c.Raw("no")
		for _, err := range []error{errTensor, errInts, errRaw} {
			if want := "pretrained: " + dir + `: no tensor "no"`; err == nil || err.Error() != want {
				t.Errorf("%s: error %v, want %s", name, err, want)
			}
		}
		_, shape := c.Shape("no")
		if _, dtype := c.DType("no"); shape || dtype || c.File("no") != "" {
			t.Errorf("%s: there is a tensor that is not", name)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Tensor("a"); err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: error %v after closing", name, err)
		}
	}
}

func TestCheckpointErrors(t *testing.T) {
	one, two := encoded(t, "a", "c"), encoded(t, "b")
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"nothing", nil, []string{WeightsFile, IndexFile}},
		{"pickle", map[string]string{"pytorch_model.bin": "", "config.json": "{}"}, []string{"pytorch_model.bin", "pickled", "safe_serialization=True"}},
		{"shards of pickle", map[string]string{"pytorch_model-00001-of-00002.bin": ""}, []string{"pickled"}},
		{"pt", map[string]string{"consolidated.00.pt": ""}, []string{"consolidated.00.pt", "pickled"}},
		{"pth", map[string]string{"consolidated.00.pth": ""}, []string{"pickled"}},
		{"ckpt", map[string]string{"model.ckpt": ""}, []string{"pickled"}},
		{"damaged file, sound index", map[string]string{WeightsFile: "x", IndexFile: twoShards, "1.safetensors": one, "2.safetensors": two}, []string{WeightsFile, "1 bytes"}},
		{"damaged index", map[string]string{IndexFile: "{"}, []string{IndexFile, "unexpected EOF"}},
		{"large index", map[string]string{IndexFile: strings.Repeat(" ", maxIndex) + twoShards}, []string{IndexFile, "must be at most 67108864"}},
		{"path", map[string]string{IndexFile: `{"weight_map":{"a":"../1.safetensors"}}`}, []string{IndexFile, `shard "../1.safetensors"`}},
		{"absent shard", map[string]string{IndexFile: twoShards, "1.safetensors": one}, []string{"2.safetensors", "a shard of " + IndexFile}},
		{"damaged shard", map[string]string{IndexFile: twoShards, "1.safetensors": one, "2.safetensors": two[:len(two)-1]}, []string{"2.safetensors", `tensor "b"`, "truncated"}},
		{"absent tensor", map[string]string{IndexFile: twoShards, "1.safetensors": encoded(t, "a"), "2.safetensors": two}, []string{IndexFile, `tensor "c" is not in 1.safetensors`}},
		{"unnamed tensor", map[string]string{IndexFile: twoShards, "1.safetensors": one, "2.safetensors": encoded(t, "b", "d")}, []string{"2.safetensors", `tensor "d" is not in ` + IndexFile}},
		{"tensor in two shards", map[string]string{IndexFile: twoShards, "1.safetensors": one, "2.safetensors": encoded(t, "a", "b")}, []string{"2.safetensors", `tensor "a" is also in 1.safetensors`}},
		{"exchanged", map[string]string{IndexFile: twoShards, "1.safetensors": two, "2.safetensors": one}, []string{IndexFile, `tensor "a" is not in 1.safetensors but in 2.safetensors`}},
	} {
		dir := folder(t, c.files)
		_, err := OpenCheckpoint(dir)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, want := range append(c.want, "pretrained: ", dir) {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %q, want one line with %q", c.name, err, want)
			}
		}
	}
	if _, err := OpenCheckpoint(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("error %v for a folder that is not there", err)
	}
}

func TestCheckpointNotAFile(t *testing.T) {
	for _, name := range []string{WeightsFile, IndexFile} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCheckpoint(dir); err == nil || !strings.Contains(err.Error(), name+": not a regular file") {
			t.Errorf("error %v for a folder %s", err, name)
		}
	}
}
