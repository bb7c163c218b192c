package tokenizer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

var kinds = []string{"albert", "bert", "gpt2", "llama2"}

// The offsets of a token are bytes of the text in whole characters, ascending; and the
// lists are equally long.
func TestOffsets(t *testing.T) {
	for _, kind := range kinds {
		tok := recordedTokenizer(t, kind)
		for _, text := range []string{"", "a", "Light is propagated.", "naïve ﬁancée ☃ 日本語 \U0001f468\u200d\U0001f469", "a\x00b\xffc", "  two  spaces\n\tand a tab"} {
			e := tok.Encode(text, true)
			for _, n := range []int{len(e.Tokens), len(e.TypeIDs), len(e.Offsets), len(e.SpecialTokensMask), len(e.AttentionMask)} {
				if n != e.Len() {
					t.Fatalf("%s: %q: a list of %d beside %d ids", kind, text, n, e.Len())
				}
			}
			last := 0
			for i, o := range e.Offsets {
				if e.SpecialTokensMask[i] == 1 {
					continue
				}
				if o[0] < last && o[0] != 0 || o[1] < o[0] || o[1] > len(text) {
					t.Errorf("%s: %q: token %d, %q, stands for %v of %d bytes", kind, text, i, e.Tokens[i], o, len(text))
				}
				if utf8.ValidString(text) && !utf8.ValidString(text[o[0]:o[1]]) {
					t.Errorf("%s: %q: token %d, %q, begins or ends inside a character", kind, text, i, e.Tokens[i])
				}
				last = o[0]
			}
		}
	}
}

// A byte-level tokenizer gives any text back.
func TestRoundTrip(t *testing.T) {
	tok := recordedTokenizer(t, "gpt2")
	for _, text := range []string{"", " ", "Light is propagated.", "\r\n\t x", "日本語", "\u200d\U0001f600", strings.Repeat("ab ", 500)} {
		if got := tok.Decode(tok.Encode(text, false).IDs, false); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	}
}

// hostile are texts of so many bytes that a backtracking matcher, or a merge that
// looks at all pairs again, takes hours for.
func hostile(size int) map[string]string {
	return map[string]string{
		"letter": strings.Repeat("a", size), "word": strings.Repeat("refrangible", size/11),
		"spaces": strings.Repeat(" ", size), "marks": strings.Repeat("\u0301\u0323", size/4),
		"apostrophes": strings.Repeat("'", size), "breaks": strings.Repeat("\n ", size/2),
		"digits": strings.Repeat("7", size), "brackets": strings.Repeat("<s", size/2),
	}
}

// A megabyte of them is done before the test's time is over.
func TestHostileInput(t *testing.T) {
	for _, kind := range kinds {
		tok := recordedTokenizer(t, kind)
		for name, text := range hostile(1 << 20) {
			e := tok.Encode(text, false)
			if name != "spaces" && name != "breaks" && name != "marks" && e.Len() == 0 {
				t.Errorf("%s: %s: no tokens", kind, name)
			}
		}
	}
}

// BenchmarkHostile shows by MB/s that time grows as the text does.
func BenchmarkHostile(b *testing.B) {
	tok := recordedTokenizer(b, "gpt2")
	for _, size := range []int{1 << 14, 1 << 20} {
		for name, text := range hostile(size) {
			b.Run(fmt.Sprintf("text=%s/bytes=%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					tok.Encode(text, false)
				}
			})
		}
	}
}

// Goroutines that share a tokenizer get what one alone does.
func TestConcurrent(t *testing.T) {
	tok := recordedTokenizer(t, "gpt2")
	texts := strings.Split(strings.Repeat("Light is propagated from luminous bodies in time; ", 20), " ")
	want := make([][]int, len(texts))
	for i, text := range texts {
		want[i] = tok.Encode(text, true).IDs
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i, text := range texts {
				if got := tok.Encode(text, true).IDs; !slices.Equal(got, want[i]) {
					t.Errorf("%q: %v, want %v", text, got, want[i])
				}
			}
		})
	}
	all.Wait()
}

// What is wrong with a file is told in one line, with the field.
func TestParseErrors(t *testing.T) {
	const model = `"model": {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}`
	for _, c := range []struct{ text, want string }{
		{"", "is not JSON"},
		{"\xff", "is not UTF-8"},
		{"[]", "want an object"},
		{"{}", "model"},
		{`{"version": "2.0", ` + model + `}`, `version: is "2.0"`},
		{`{"model": {"type": "Morse"}}`, "Morse"},
		{`{"normalizer": {"type": "Rot13"}, ` + model + `}`, "Rot13"},
		{`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?<=a)b"}, "behavior": "Isolated"}, ` + model + `}`, "(?<=a)b"},
		{`{"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}, ` + model + `}`, "not closed"},
		{`{"normalizer": {"type": "Sequence", "normalizers": [null]}, ` + model + `}`, "normalizers[0]: want an object"},
		{`{"decoder": ` + strings.Repeat(`{"type": "Sequence", "decoders": [`, 40) + `{"type": "Fuse"}` + strings.Repeat("]}", 40) + ", " + model + `}`, "nests more than 32 deep"},
		{`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}`, "merges[0]"},
		{`{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}}`, "dropout"},
		{`{"model": {"type": "WordPiece", "vocab": {"a": -1}, "unk_token": "a"}}`, "vocab"},
		{`{"model": {"type": "Unigram", "vocab": [["a", -1]], "unk_id": 7}}`, "unk_id"},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "tokenizer.json: ") {
			t.Errorf("%.60q: error %v, want one line with %q", c.text, err, c.want)
		}
	}
}

// Whatever a file says, it is read or refused; and what is read encodes and decodes.
func FuzzParse(f *testing.F) {
	for _, kind := range kinds {
		var file map[string]json.RawMessage
		if err := json.Unmarshal(unpacked(f, kind+".tokenizer.json.gz"), &file); err != nil {
			f.Fatal(err)
		}
		file["model"] = json.RawMessage(`{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}`)
		small, err := json.Marshal(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(small, "ab ba <s> \u00e9")
	}
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		tok, err := Parse(file)
		if err != nil {
			return
		}
		e := tok.Encode(text, true)
		tok.Decode(e.IDs, false)
	})
}

func BenchmarkEncode(b *testing.B) {
	text := strings.Repeat("The homogeneal light and rays which appear red, or rather make objects appear so, I call rubrifick or red-making. ", 500)
	for _, kind := range kinds {
		tok := recordedTokenizer(b, kind)
		b.Run("kind="+kind, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, true)
			}
		})
	}
}

func ExampleParse() {
	tok, err := Parse([]byte(`{
		"pre_tokenizer": {"type": "Whitespace"},
		"model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "low": 1, "rank": 2}, "unk_token": "[UNK]"}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	e := tok.Encode("low rank updates", false)
	fmt.Println(e.IDs, e.Offsets)
	fmt.Println(tok.Decode(e.IDs, false))
	// Output:
	// [1 2 0] [[0 3] [4 8] [9 16]]
	// low rank [UNK]
}
