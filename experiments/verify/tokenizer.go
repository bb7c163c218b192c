package verify

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/lowrank/lowrank/nn/tokenizer"
)

// tokenizers are folders with a tokenizer.json and its cases.json.
var tokenizers = kind{
	name:  "tokenizer",
	is:    func(dir string) bool { return has(dir, "tokenizer.json", "cases.json") },
	cases: func(string) ([]string, error) { return []string{"tokenizer"}, nil },
	run:   runTokenizer,
}

// tokenizerCases is what Python's tokenizers made of texts.
type tokenizerCases struct {
	Cases []struct {
		Text           string `json:"text"`
		IDs            []int  `json:"ids"`
		IDsSpecial     []int  `json:"ids_special"`
		Decoded        string `json:"decoded"`
		DecodedSpecial string `json:"decoded_special"`
	} `json:"cases"`
	Pairs []struct {
		A       string `json:"a"`
		B       string `json:"b"`
		IDs     []int  `json:"ids"`
		TypeIDs []int  `json:"type_ids"`
	} `json:"pairs"`
}

// runTokenizer compares ids and texts, a row for each kind of comparison.
func runTokenizer(dir, _ string, r *rows) {
	var want tokenizerCases
	if err := readJSON(filepath.Join(dir, "cases.json"), &want); err != nil {
		r.fail("", err)
		return
	}
	if len(want.Cases)+len(want.Pairs) == 0 {
		r.fail("", fmt.Errorf("cases.json: holds no cases"))
		return
	}
	tok, err := tokenizer.Load(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		r.refuse("", err)
		return
	}
	var ids, special, decoded, decodedSpecial, pairs, types tally
	for _, c := range want.Cases {
		ids.add(slices.Equal(tok.Encode(c.Text, false).IDs, c.IDs), c.Text)
		special.add(slices.Equal(tok.Encode(c.Text, true).IDs, c.IDsSpecial), c.Text)
		decoded.add(tok.Decode(c.IDs, true) == c.Decoded, c.Text)
		decodedSpecial.add(tok.Decode(c.IDsSpecial, false) == c.DecodedSpecial, c.Text)
	}
	for _, c := range want.Pairs {
		got := tok.EncodePair(c.A, c.B, true)
		pairs.add(slices.Equal(got.IDs, c.IDs), c.A, c.B)
		types.add(slices.Equal(got.TypeIDs, c.TypeIDs), c.A, c.B)
	}
	for _, c := range []struct {
		name string
		t    tally
	}{
		{"ids", ids}, {"ids_special", special}, {"decoded", decoded}, {"decoded_special", decodedSpecial},
		{"pairs.ids", pairs}, {"pairs.type_ids", types},
	} {
		if c.t.texts > 0 {
			r.add(c.t.row(c.name))
		}
	}
}

// A tally counts texts and those among them that came out another way.
type tally struct {
	texts, wrong int
	first        []string // of the wrong ones
}

func (t *tally) add(same bool, texts ...string) {
	t.texts++
	if !same {
		if t.wrong == 0 {
			t.first = texts
		}
		t.wrong++
	}
}

func (t *tally) row(name string) Row {
	row := Row{Name: name, Status: Pass, Count: t.texts, Tolerance: Tolerance{}.String()}
	if t.wrong > 0 {
		row.Status, row.Note = Fail, fmt.Sprintf("%d of %d differ, first %s", t.wrong, t.texts, brief(t.first))
	}
	return row
}

// brief quotes texts, the beginning of long ones.
func brief(texts []string) string {
	const most = 40 // characters
	var quoted string
	for i, text := range texts {
		if i > 0 {
			quoted += " with "
		}
		if c := []rune(text); len(c) > most {
			text = string(c[:most]) + "…"
		}
		quoted += fmt.Sprintf("%q", text)
	}
	return quoted
}
