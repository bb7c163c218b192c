package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// recorded is what Python's tokenizers made of texts.
type recorded struct {
	Cases []struct {
		Text           string
		IDs            []int
		IDsSpecial     []int `json:"ids_special"`
		Decoded        string
		DecodedSpecial string `json:"decoded_special"`
	}
	Pairs []struct {
		A, B    string
		IDs     []int
		TypeIDs []int `json:"type_ids"`
	}
}

const fixtures = "../../../shared/fixtures/tokenizers"

// All kinds that were recorded, id for id and byte for byte.
func TestFixtures(t *testing.T) {
	kinds, _ := filepath.Glob(filepath.Join(fixtures, "*", "tokenizer.json"))
	if len(kinds) == 0 {
		t.Skip("shared/fixtures is not here: the four kinds in testdata are checked alone")
	}
	if len(kinds) != 14 {
		t.Errorf("found %d kinds of tokenizer, want 14", len(kinds))
	}
	for _, path := range kinds {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			tok, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(folder, "cases.json"))
			if err != nil {
				t.Fatal(err)
			}
			check(t, tok, data)
		})
	}
}

// A kind of each model, and half of its cases, of the same recording.
func TestRecorded(t *testing.T) {
	for _, kind := range []string{"albert", "bert", "gpt2", "llama2"} {
		t.Run(kind, func(t *testing.T) { check(t, recordedTokenizer(t, kind), unpacked(t, kind+".cases.json.gz")) })
	}
}

// recordedTokenizer is a tokenizer of testdata.
func recordedTokenizer(t testing.TB, kind string) *Tokenizer {
	t.Helper()
	tok, err := Parse(unpacked(t, kind+".tokenizer.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// check compares a tokenizer with what was recorded of it.
func check(t *testing.T, tok *Tokenizer, data []byte) {
	t.Helper()
	var want recorded
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Cases) == 0 || len(want.Pairs) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range want.Cases {
		if got := tok.Encode(c.Text, false); !slices.Equal(got.IDs, c.IDs) {
			t.Errorf("%q: ids\n%v, want\n%v", c.Text, got.IDs, c.IDs)
		}
		if got := tok.Encode(c.Text, true); !slices.Equal(got.IDs, c.IDsSpecial) {
			t.Errorf("%q: ids with special tokens\n%v, want\n%v", c.Text, got.IDs, c.IDsSpecial)
		}
		if got := tok.Decode(c.IDs, true); got != c.Decoded {
			t.Errorf("%q: decoded %q, want %q", c.Text, got, c.Decoded)
		}
		if got := tok.Decode(c.IDsSpecial, false); got != c.DecodedSpecial {
			t.Errorf("%q: decoded %q, want %q", c.Text, got, c.DecodedSpecial)
		}
	}
	for _, c := range want.Pairs {
		got := tok.EncodePair(c.A, c.B, true)
		if !slices.Equal(got.IDs, c.IDs) || !slices.Equal(got.TypeIDs, c.TypeIDs) {
			t.Errorf("%q, %q: ids\n%v, want\n%v, types\n%v, want\n%v", c.A, c.B, got.IDs, c.IDs, got.TypeIDs, c.TypeIDs)
		}
	}
}
