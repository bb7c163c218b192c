package nearest

import "testing"

func TestChoices(t *testing.T) {
	names := []string{"a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghij"}
	for n, want := range map[int]string{
		2:  "ab, a",
		9:  "abc, ab, abcd, a, abcde, abcdef, abcdefg, abcdefgh, abcdefghi", // to say "and 1 more" is no shorter
		10: "abc, ab, abcd, a, abcde, abcdef, abcdefg, abcdefgh, and 2 more",
	} {
		if got := Choices("abc", names[:n]); got != want {
			t.Errorf("of %d names: have %s, want %s", n, got, want)
		}
	}
}
