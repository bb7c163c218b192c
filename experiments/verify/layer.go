package verify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// layers are folders with recordings of adapted linear maps, of nets of two of
// them, and of their training: for each case NAME.json, NAME.safetensors and
// perhaps NAME.init.safetensors.
var layers = kind{
	name:  "layer",
	is:    isLayers,
	cases: layerCases,
	run:   runLayer,
}

const (
	tensorsExt = ".safetensors"
	startExt   = ".init" + tensorsExt
	commonName = "_common" // holds what every case may share
)

// isLayers reports whether a folder has at least one recording.
func isLayers(dir string) bool {
	names, err := layerCases(dir)
	return err == nil && slices.ContainsFunc(names, func(name string) bool {
		return has(dir, name+".json", name+tensorsExt) && name != "model" && name != "adapter_model"
	})
}

// layerCases returns what has tensors, so that one without its JSON fails, and
// what has a JSON with a configuration, so that one without its tensors does.
func layerCases(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if e.IsDir() {
			continue
		}
		name, ok := strings.CutSuffix(e.Name(), tensorsExt)
		switch {
		case ok:
			name = strings.TrimSuffix(name, ".init")
		default:
			if name, ok = strings.CutSuffix(e.Name(), ".json"); ok && !has(dir, name+tensorsExt) {
				ok = isAbout(filepath.Join(dir, e.Name()))
			}
		}
		if ok && name != commonName && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// isAbout reports whether a file is the JSON of a case.
func isAbout(path string) bool {
	b, err := os.ReadFile(path)
	var v struct{ Config json.RawMessage }
	return err == nil && json.Unmarshal(b, &v) == nil && v.Config != nil
}

// runLayer compares one recording: which kind it is, its JSON says.
func runLayer(dir, name string, r *rows) {
	rec := &recording{dir: dir, name: name}
	if err := readJSON(rec.path(".json"), &rec.about); err != nil {
		r.fail("", err)
		return
	}
	if why := rec.dropout(); why != "" {
		r.unsupported("", why)
		return
	}
	switch {
	case rec.Trace != nil:
		runPruning(r, rec)
	case rec.Hyper != nil:
		runOptimizer(r, rec)
	default:
		runVariant(r, rec)
	}
}
