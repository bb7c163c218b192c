package pretrained

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParseIndex(t *testing.T) {
	for _, metadata := range []string{``, `"metadata":{},`, `"metadata":{"total_size":12},`, `"metadata":{"total_size":1.2e10,"total_parameters":[{"x":null}]},"other":[1,{}],`} {
		shards, err := parseIndex([]byte(" {" + metadata + `"weight_map":{"a":"x.safetensors","b":"y.safetensors"}}` + "\n"))
		if want := map[string]string{"a": "x.safetensors", "b": "y.safetensors"}; err != nil || !maps.Equal(shards, want) {
			t.Errorf("%s: %v, %v", metadata, shards, err)
		}
	}
}

func TestParseIndexErrors(t *testing.T) {
	shard := func(name string) string { return `{"weight_map":{"a":"` + name + `"}}` }
	const fileName = "must be the name of a .safetensors file in the same folder"
	for _, c := range []struct{ name, text, want string }{
		{"empty", ``, "unexpected EOF"},
		{"cut", `{"weight_map":{"a":"x.safetensors"`, "unexpected EOF"},
		{"cut in another key", `{"x":`, "unexpected EOF"},
		{"an array", `[]`, "must be {"},
		{"null", `null`, "must be {"},
		{"no UTF-8", "{\"\xff\":1}", "UTF-8"},
		{"no map", `{}`, "weight_map is missing"},
		{"empty map", `{"weight_map":{}}`, "names no tensor"},
		{"junk after", shard("x.safetensors") + "1", `"1" at byte 36: must be the end`},
		{"map twice", `{"weight_map":{"a":"x.safetensors"},"weight_map":{"a":"x.safetensors"}}`, `"weight_map" stands twice`},
		{"other key twice", `{"x":1,"x":2}`, `"x" stands twice`},
		{"tensor twice", `{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}`, `tensor "a" stands twice`},
		{"map of numbers", `{"weight_map":{"a":1}}`, `weight_map: tensor "a": "1" at byte`},
		{"map of null", `{"weight_map":{"a":null}}`, `must be a string`},
		{"map is an array", `{"weight_map":["a"]}`, `weight_map: "[" at byte`},
		{"metadata is a string", `{"metadata":"x\ny"}`, `metadata: "\"" at byte 12: must be {`},
		{"size is a string", `{"metadata":{"total_size":"1"}}`, "total_size"},
		{"size is NaN", `{"metadata":{"total_size":NaN}}`, `"NaN" at byte`},
		{"negative size", `{"metadata":{"total_size":-1}}`, `"-1" at byte`},
		{"size in hexadecimal", `{"metadata":{"total_size":0x10}}`, `"0x10" at byte`},
		{"no size", `{"metadata":{"total_size":}}`, `"}" at byte 26`},
		{"comma before the end", `{"weight_map":{"a":"x.safetensors",}}`, `"}" at byte`},
		{"huge size", `{"metadata":{"total_size":1e999}}`, `"1e999" at byte`},
		{"nested deep", `{"x":` + strings.Repeat("[", 100_000), "depth"},
		{"nested deep in metadata", `{"metadata":{"x":` + strings.Repeat(`{"x":`, 100_000), "depth"},
		{"nested deep in the map", `{"weight_map":` + strings.Repeat(`{"x":`, 100_000), "must be a string"},
		{"long name", `{"weight_map":{"` + strings.Repeat("x", 4097) + `":"x.safetensors"}}`, "a name of 4097 bytes"},
		{"absolute", shard("/etc/x.safetensors"), `shard "/etc/x.safetensors": ` + fileName},
		{"parent", shard("../x.safetensors"), fileName},
		{"backslash", shard(`..\\x.safetensors`), fileName},
		{"two dots", shard("x..safetensors"), fileName},
		{"folder", shard("d/x.safetensors"), fileName},
		{"zero byte", shard(`x\u0000.safetensors`), fileName},
		{"pickle", shard("pytorch_model.bin"), fileName},
		{"no name", shard(""), fileName},
		{"long shard", shard(strings.Repeat("x", 1<<20) + ".safetensors"), fileName},
	} {
		shards, err := parseIndex([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
			t.Errorf("%s: %v, error %v, want one line with %q", c.name, shards, err, c.want)
		}
	}
}

// FuzzIndex: no input crashes the parser, and what it accepts are files of the
// folder.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":12},"weight_map":{"a":"x-00001-of-00002.safetensors","b":"x-00002-of-00002.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"..safetensors","b":"/x.safetensors","c":"x/../y.safetensors"},"other":[1,{"x":null}]}`))
	f.Add([]byte(`{"weight_map":{"":"\ud800.safetensors"},"metadata":{"total_size":-1e400}}`))
	f.Add([]byte(`{"x":` + strings.Repeat("[", 100)))
	f.Fuzz(func(t *testing.T, b []byte) {
		shards, err := parseIndex(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1<<15 {
				t.Errorf("error %q", err)
			}
			return
		}
		for _, shard := range slices.Collect(maps.Values(shards)) {
			if strings.ContainsAny(shard, `/\`) || strings.Contains(shard, "..") || !strings.HasSuffix(shard, ".safetensors") {
				t.Errorf("accepts the shard %q", shard)
			}
		}
	})
}
