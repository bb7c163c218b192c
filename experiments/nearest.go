package experiments

import (
	"fmt"
	"strings"

	"github.com/lowrank/lowrank/lora/nearest"
)

// suggestion ends the message about a key that the map at path does not have:
// the valid key nearest to it, or if none is near, all keys of the map. keys
// holds the dotted paths of all keys there are.
func suggestion(path, key string, keys []string) string {
	var here []string
	near, least := "", len(key)/3+2 // one wrong letter in a word of two, three in one of eight
	for _, k := range keys {
		parent, last := split(k)
		if parent == path {
			here = append(here, last)
		}
		if d := len(key) - len(last); max(d, -d) >= least {
			continue // and so no time is spent on a key of a million letters
		}
		distance := nearest.Distance(strings.ToLower(key), last)
		if parent != path {
			distance++ // else equal: a slip is likelier than a wrong place
		}
		if distance < least && distance < len(last) {
			near, least = k, distance
		}
	}
	if near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return fmt.Sprintf("; the keys here are %s", strings.Join(here, ", "))
}

// split cuts a dotted path before its last key.
func split(path string) (parent, key string) {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)], path[i+1:]
}
