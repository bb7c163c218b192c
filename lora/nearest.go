package lora

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest returns names by their edit distance from name, equal ones in their
// order.
func Nearest(name string, names []string) []string {
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return EditDistance(name, a) - EditDistance(name, b) })
	return names
}

// choices lists the names nearest to one that is none of them, and says how many
// more there are: a line that can be read, of a table that may be long.
func choices(name string, names []string) string {
	const most = 8
	names = Nearest(name, names)
	if more := len(names) - most; more > 1 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// EditDistance is the least number of bytes to insert, delete or replace that
// makes b of a (Levenshtein): what "nearest" means in the errors about names.
func EditDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
