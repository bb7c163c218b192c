package pretrained

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
)

// A vast is a header that consists of one thing over and over.
type vast struct {
	name, want            string // an error's words
	before, middle, after string // in middle, each # is part of a number that counts
}

var vasts = []vast{
	{"brackets", "must be {", `{"a":`, "[", ""},
	{"brackets in a shape", "must be an integer", `{"a":{"shape":`, "[", ""},
	{"shape", "more than 64", `{"a":{"dtype":"U8","shape":[0`, ",0", `],"data_offsets":[0,0]}}`},
	{"digits", "must be an integer", `{"a":{"dtype":"U8","shape":[`, "9", `],"data_offsets":[0,0]}}`},
	{"name", "a name of", `{"`, "x", `":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`},
	{"type", "not known", `{"a":{"dtype":"`, `\u0000`, `"}}`},
	{"spaces", "", `{}`, " ", ""},
	{"metadata value", "", `{"__metadata__":{"a":"`, "x", `"}}`},
	{"metadata", "", `{"__metadata__":{"":""`, `,"#####":""`, `}}`},
	{"tensors", "", `{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, `,"#####":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, `}`},
	{"cut", "unexpected EOF", `{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, `,"#####":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, ``},
}

// file is a file whose header has n bytes.
func (v vast) file(n int) []byte {
	b := append(binary.LittleEndian.AppendUint64(nil, uint64(n)), v.before...)
	from := strings.IndexByte(v.middle, '#')
	for count := 0; len(b)+len(v.middle)+len(v.after) <= 8+n; count++ {
		at := len(b)
		b = append(b, v.middle...)
		for i, c := from, count; i >= 0 && v.middle[i] == '#'; i, c = i+1, c/36 {
			b[at+i] = "0123456789abcdefghijklmnopqrstuvwxyz"[c%36]
		}
	}
	b = append(b, bytes.Repeat([]byte{' '}, 8+n-len(b)-len(v.after))...)
	return append(b, v.after...)
}

// check parses the file.
func (v vast) check(tb testing.TB, b []byte) {
	_, err := ParseSafetensors("x", b)
	if v.want == "" && err != nil || v.want != "" && (err == nil || !strings.Contains(err.Error(), v.want) || len(err.Error()) > 400) {
		tb.Errorf("%s: error %v, want %q", v.name, err, v.want)
	}
}

// TestVastHeader: whatever fills a header, to parse it takes memory in
// proportion, and errors stay short.
func TestVastHeader(t *testing.T) {
	const n, most = 2_000_000, 20 * 2_000_000
	for _, v := range vasts {
		b := v.file(n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v.check(t, b)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%s: %d bytes allocated for a header of %d", v.name, got, n)
		}
	}
}

// BenchmarkVastHeader parses the largest headers that may be.
func BenchmarkVastHeader(b *testing.B) {
	for _, v := range vasts {
		file := v.file(maxHeader)
		b.Run(v.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.check(b, file)
			}
		})
	}
}
