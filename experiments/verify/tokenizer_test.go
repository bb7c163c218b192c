package verify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// words copies the small tokenizer with changed cases.
func words(t *testing.T, change func(c *tokenizerCases)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"tokenizer.json", "cases.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", "words", name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "cases.json" {
			var c tokenizerCases
			if err := json.Unmarshal(b, &c); err != nil {
				t.Fatal(err)
			}
			change(&c)
			b, _ = json.Marshal(c)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A comparison that fails says of how many texts, and which is the first.
func TestTokenizerDiffers(t *testing.T) {
	long := strings.Repeat("light ", 20)
	for _, c := range []struct {
		row    string
		says   string
		change func(c *tokenizerCases)
	}{
		{"ids", `1 of 5 differ, first "A ray of light falls on the glass."`, func(c *tokenizerCases) { c.Cases[1].IDs[0]++ }},
		{"ids_special", `2 of 5 differ, first ""`, func(c *tokenizerCases) { c.Cases[0].IDsSpecial = nil; c.Cases[4].IDsSpecial = nil }},
		{"decoded", `1 of 5 differ, first "Rays, glasses [SEP] light"`, func(c *tokenizerCases) { c.Cases[2].Decoded += " " }},
		{"decoded_special", `first "Ünknown  words\tand\nlines"`, func(c *tokenizerCases) { c.Cases[3].DecodedSpecial = "" }},
		{"pairs.ids", `1 of 3 differ, first "" with "glass"`, func(c *tokenizerCases) { c.Pairs[1].IDs = []int{1} }},
		{"pairs.type_ids", `1 of 3 differ, first "a ray" with "of light"`, func(c *tokenizerCases) { c.Pairs[0].TypeIDs[1] = 1 }},
		{"ids", `first "light light light light light light ligh…"`, func(c *tokenizerCases) {
			c.Cases = c.Cases[:1]
			c.Cases[0].Text, c.Cases[0].IDs = long, []int{-1, 1 << 40}
		}},
	} {
		rows := verified(t, words(t, c.change), "")
		for _, r := range rows {
			if r.Name == c.row && (r.Status != Fail || !strings.Contains(r.Note, c.says)) {
				t.Errorf("%s is %s: %s, want …%s…", r.Name, r.Status, r.Note, c.says)
			}
		}
		if len(rows) != 6 {
			t.Errorf("%s: %d rows, want 6", c.row, len(rows))
		}
	}
}

func TestTokenizerFiles(t *testing.T) {
	for _, c := range []struct{ file, text, says string }{
		{"cases.json", `{"cases": [], "pairs": []}`, "cases.json: holds no cases"},
		{"cases.json", `{"cases": [{"text": 7}]}`, "cases.json: json: cannot unmarshal number"},
		{"cases.json", `{"cases": `, "cases.json: unexpected end of JSON"},
		{"tokenizer.json", `{"model": `, "tokenizer.json"},
		{"tokenizer.json", `[]`, "tokenizer.json"},
	} {
		dir := words(t, func(*tokenizerCases) {})
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o666); err != nil {
			t.Fatal(err)
		}
		rows := verified(t, dir, "")
		if len(rows) != 1 || rows[0].Status != Fail || !strings.Contains(rows[0].Note, c.says) {
			t.Errorf("%s %s: %+v, want …%s…", c.file, c.text, rows, c.says)
		}
	}
}
