// Package nearest finds the names that one who mistyped a name may have meant.
package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// First returns names by their edit distance from name, equal ones in their order.
func First(name string, names []string) []string {
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return Distance(name, a) - Distance(name, b) })
	return names
}

// Choices lists the names nearest to one that is none of them, and says how many
// more there are: a line that can be read, of a table that may be long.
func Choices(name string, names []string) string {
	const most = 8
	names = First(name, names)
	if more := len(names) - most; more > 1 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// Distance is the least number of bytes to insert, delete or replace that
// makes b of a (Levenshtein): what "nearest" means in the errors about names.
func Distance(a, b string) int {
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
