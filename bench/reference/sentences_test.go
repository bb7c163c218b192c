package reference

import (
	"slices"
	"testing"
)

func TestSplit(t *testing.T) {
	text := "A HEADING OF THREE WORDS\r\n\r\nLight is made of rays. They are refracted\r\nby glass, see Fig. 3, and by water! Yes. What more is there to say?\n\nNo mark ends this paragraph here\n"
	want := []string{"Light is made of rays.", "They are refracted by glass, see Fig. 3, and by water!", "What more is there to say?"}
	if got := split(text); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestProse: sentences are the same every time, of many lengths, and of both
// labels.
func TestProse(t *testing.T) {
	sentences, labels, err := prose(many)
	if err != nil {
		t.Skip(err)
	}
	again, _, err := prose(many)
	if err != nil || !slices.Equal(sentences, again) {
		t.Errorf("other sentences the second time, %v", err)
	}
	lengths, coloured := map[int]bool{}, 0
	for i, s := range sentences {
		lengths[len(s)] = true
		coloured += labels[i]
	}
	if len(sentences) != many || len(lengths) < many/2 || coloured < many/5 || coloured > many-many/5 {
		t.Errorf("%d sentences of %d lengths, %d of colours", len(sentences), len(lengths), coloured)
	}
	if _, _, err := prose(1 << 20); err == nil {
		t.Error("more sentences than there are")
	}
}
