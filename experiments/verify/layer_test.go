package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// copied copies the files of one case, and returns the folder and the case's
// path in it.
func copied(t *testing.T, folder, name string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	files, err := filepath.Glob(filepath.Join("testdata", folder, name+".*"))
	if err != nil || len(files) == 0 {
		t.Fatal(folder, name, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir, filepath.Join(dir, name)
}

func layerNames(t *testing.T) []string {
	t.Helper()
	names, err := layerCases("testdata/layers")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "ia3" })
}

// optional reports whether a recording may lack a tensor: what is looked up
// elsewhere, a bias, and what is not there for every case.
func optional(name, ext, tensor string) bool {
	switch _, last, _ := strings.Cut(tensor, "."); {
	case unused(ext, tensor), strings.Contains(tensor, ".ranknum."), strings.HasPrefix(tensor, "step"):
		return true
	case strings.Contains(tensor, "base_layer."), last == "lin1.bias", last == "lin2.bias":
		return true
	case strings.HasPrefix(name, "module_"): // whose JSON does not say what there is
		return tensor == "delta" || tensor == "merged.weight"
	case name == "optim_lorafa": // what is not trained
		return strings.Contains(tensor, "lora_A")
	}
	return ext == startExt && slices.Contains([]string{"x", "W0", "b0"}, tensor) // as in the other file
}

// unused reports whether nothing depends on a tensor: it is the base before the
// adapter, where what the adapter left of it is recorded too.
func unused(ext, tensor string) bool {
	return ext == tensorsExt && (tensor == "W0" || tensor == "b0" || strings.HasPrefix(tensor, "base.lin."))
}

// Whatever of a recording is changed is noticed, and whatever is missing is
// named.
func TestEveryTensorCounts(t *testing.T) {
	for _, name := range layerNames(t) {
		dir, path := copied(t, "layers", name)
		for _, ext := range []string{tensorsExt, startExt} {
			if _, err := os.Stat(path + ext); err != nil {
				continue
			}
			for _, tensor := range slices.Sorted(maps.Keys(readRaw(t, path+ext))) {
				changed := readRaw(t, path+ext)
				if changed[tensor].DType == "F32" && !unused(ext, tensor) {
					changed[tensor].move()
					changed.write(t, path+ext)
					if got := status(verified(t, dir, "")); got != Fail {
						t.Errorf("%s%s: with another %s it is %s", name, ext, tensor, got)
					}
				}
				delete(changed, tensor)
				changed.write(t, path+ext)
				rows := verified(t, dir, "")
				named := slices.ContainsFunc(rows, func(r Row) bool {
					return r.Status == Fail && strings.Contains(r.Note+r.Name, strings.TrimSuffix(tensor, ".weight"))
				})
				if !named && !optional(name, ext, tensor) {
					t.Errorf("%s%s: without %s no row names it", name, ext, tensor)
				}
				restored := readRaw(t, filepath.Join("testdata", "layers", name+ext))
				restored.write(t, path+ext)
			}
		}
	}
}

// A tensor that nothing here corresponds to is not passed over.
func TestTensorTooMany(t *testing.T) {
	dir, path := copied(t, "layers", "lora")
	f := readRaw(t, path+tensorsExt)
	f["grad.lin.lora_C.default.weight"] = &rawTensor{DType: "F32", Shape: f["dy"].Shape, data: f["dy"].data}
	f.write(t, path+tensorsExt)
	rows := verified(t, dir, "")
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Status == Fail })
	if i < 0 || rows[i].Name != "grad.lin.lora_C.default.weight" {
		t.Errorf("have %+v", rows)
	}
}

func TestShapesAreCompared(t *testing.T) {
	for _, c := range []struct {
		tensor string
		shape  []int
		says   string
	}{
		{"param.lin.lora_A.default.weight", []int{9, 3}, "lora.safetensors: tensor \"param.lin.lora_A.default.weight\" is [9 3]: must be [3 9]"},
		{"y", []int{7, 4}, "is [7 4]: must be [4 7]"},
		{"x", []int{9, 4}, "must have rows of 9"},
		{"merged.weight", []int{63}, "must be [7 9]"},
		{"param.lin.base_layer.weight", []int{63}, "must have 2 dimensions"},
		{"param.lin.base_layer.weight", []int{7, 3, 3}, "must have 2 dimensions"},
		{"dy", []int{28}, "must be [4 7]"},
	} {
		dir, path := copied(t, "layers", "lora")
		f := readRaw(t, path+tensorsExt)
		f[c.tensor].Shape = c.shape
		f.write(t, path+tensorsExt)
		rows := verified(t, dir, "")
		if !slices.ContainsFunc(rows, func(r Row) bool { return r.Status == Fail && strings.Contains(r.Note, c.says) }) {
			t.Errorf("%s %v: no row says %q: %+v", c.tensor, c.shape, c.says, rows[0])
		}
	}
}

// Files that end too early fail, and so does a case with half of its files.
func TestDamagedFiles(t *testing.T) {
	for _, name := range []string{"lora", "pissa_dora", "module_conv2d", "optim_lorafa", "adalora_trace"} {
		dir, path := copied(t, "layers", name)
		for _, ext := range []string{".json", tensorsExt, startExt} {
			whole, err := os.ReadFile(path + ext)
			if err != nil {
				continue
			}
			for _, n := range []int{0, 1, 7, 8, 9, 100, len(whole) / 2, len(whole) - 1} {
				if err := os.WriteFile(path+ext, whole[:n], 0o666); err != nil {
					t.Fatal(err)
				}
				rows := verified(t, dir, "")
				if !slices.ContainsFunc(rows, func(r Row) bool { return r.Status == Fail && strings.Contains(r.Note, name+ext) }) {
					t.Errorf("%s%s cut to %d bytes: have %+v", name, ext, n, rows[0])
				}
			}
			if err := os.WriteFile(path+ext, whole, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		for _, ext := range []string{".json", tensorsExt} {
			whole, _ := os.ReadFile(path + ext)
			other := filepath.Join(dir, "other")
			for _, e := range []string{".json", tensorsExt} { // so that the folder is one of layers
				b, _ := os.ReadFile(path + e)
				os.WriteFile(other+e, b, 0o666)
			}
			os.Remove(path + ext)
			if got := status(verified(t, dir, "/"+name+"$")); got != Fail {
				t.Errorf("%s without its %s is %s", name, ext, got)
			}
			os.WriteFile(path+ext, whole, 0o666)
		}
	}
}

// Every value of a JSON may be of another type: the case ends with rows, and
// passes only where the value does not matter.
func TestWrongTypes(t *testing.T) {
	wrong := []any{"seven", -3.5, true, []any{1.0}, map[string]any{"a": 1.0}, nil}
	for _, name := range []string{"rslora_bias", "adalora", "module_conv2d", "module_embedding", "optim_lorafa", "optim_sgd", "adalora_trace"} {
		dir, path := copied(t, "layers", name)
		text, err := os.ReadFile(path + ".json")
		if err != nil {
			t.Fatal(err)
		}
		try := func(what string, change func(about map[string]any)) Status {
			var about map[string]any
			if err := json.Unmarshal(text, &about); err != nil {
				t.Fatal(err)
			}
			change(about)
			b, _ := json.Marshal(about)
			if err := os.WriteFile(path+".json", b, 0o666); err != nil {
				t.Fatal(err)
			}
			rows := verified(t, dir, "")
			if len(rows) == 0 {
				t.Errorf("%s: %s: no rows", name, what)
			}
			return status(rows)
		}
		var about map[string]any
		if err := json.Unmarshal(text, &about); err != nil {
			t.Fatal(err)
		}
		for _, inner := range []string{"", "config", "hyper"} {
			fields := about
			if inner != "" {
				fields, _ = about[inner].(map[string]any)
			}
			for _, key := range slices.Sorted(maps.Keys(fields)) {
				for _, v := range wrong {
					got := try(key, func(about map[string]any) {
						if inner != "" {
							about[inner].(map[string]any)[key] = v
						} else {
							about[key] = v
						}
					})
					if got == Pass && matters(name, key, v) {
						t.Errorf("%s: passes with %s = %v", name, key, v)
					}
				}
			}
		}
	}
}

// matters reports whether a case cannot pass with another value of a key.
func matters(name, key string, v any) bool {
	switch key {
	case "config", "peft_type", "target_modules", "lora_alpha", "lr":
		return true
	case "r":
		return name != "adalora" && name != "adalora_trace" // whose rank is init_r
	case "init_r":
		return v != nil
	case "losses":
		return v != nil && name != "module_conv2d"
	case "conv":
		return name == "module_conv2d"
	}
	return false
}

// A convolution is told by the call that made it.
func TestWindow(t *testing.T) {
	for _, c := range []struct{ conv, want string }{
		{"Conv2d(3,5,(2,4),stride=2,padding=(1,0))", "kernel 2×4 stride 2×2 padding 1×0"},
		{"Conv2d(3, 5, kernel_size=(2, 4), stride=(3, 1), bias=False)", "kernel 2×4 stride 3×1 padding 0×0"},
		{"Conv2d(3, 5, [2, 4], 1, 2, 1, 1, True, 'zeros')", "kernel 2×4 stride 1×1 padding 2×2"},
		{"Conv2d(3,5,(2,4),padding='valid')", "kernel 2×4 stride 1×1 padding 0×0"},
		{"Conv2d(3,5,(2,4),dilation=(1,1),groups=1)", "kernel 2×4 stride 1×1 padding 0×0"},
		{"Conv2d(3,5,(2,4),dilation=2)", "dilation is 2: not supported"},
		{"Conv2d(3,5,(2,4),groups=3)", "groups is 3: not supported"},
		{"Conv2d(3,5,(2,4),padding='same')", `padding: "same" is not supported`},
		{"Conv2d(3,5,(2,4),padding_mode='reflect')", "padding_mode is reflect: not supported"},
		{"Conv2d(3,5,3)", "must be [5 3 3 3]"},
		{"Conv2d(3,5,(2,4),stride=0)", "StrideHeight"},
		{"Conv3d(3,5,3)", "must be Conv2d(…)"},
		{"", "must be Conv2d(…)"},
		{"Conv2d(", "must be Conv2d(…)"},
		{"Conv2d(3,5,(2,4),1,0,1,1,True,'zeros',7)", "10 arguments"},
	} {
		rec := &recording{about: about{Conv: c.conv}}
		w, err := rec.window([]int{5, 3, 2, 4}, []int{1, 3, 9, 9})
		have := ""
		if err != nil {
			have = err.Error()
		} else {
			have = describe(w.KernelHeight, w.KernelWidth, w.StrideHeight, w.StrideWidth, w.PadHeight, w.PadWidth)
		}
		if !strings.Contains(have, c.want) {
			t.Errorf("%s gives %q, want %q", c.conv, have, c.want)
		}
	}
}

func describe(kh, kw, sh, sw, ph, pw int) string {
	return fmt.Sprintf("kernel %d×%d stride %d×%d padding %d×%d", kh, kw, sh, sw, ph, pw)
}
