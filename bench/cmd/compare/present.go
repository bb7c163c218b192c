package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/lowrank/lowrank/bench/compare"
)

// A runner measures; it calls begin before a group's first row, and show for
// every row.
type runner func(begin func(*compare.Report, compare.Group), show func(*compare.Row)) (*compare.Report, error)

// present runs a comparison and prints the table as its rows come, or the JSON
// at the end.
func present(measure runner, asJSON bool, stdout, stderr io.Writer) (*compare.Report, error) {
	var group compare.Group
	first := true
	begin := func(rep *compare.Report, g compare.Group) {
		group = g
		if asJSON {
			fmt.Fprintln(stderr, g.Title)
			return
		}
		if first {
			compare.WriteMachine(stdout, rep)
		}
		first = false
		compare.WriteGroup(stdout, g)
	}
	show := func(row *compare.Row) {
		if !asJSON {
			compare.WriteRow(stdout, group, row)
		}
	}
	rep, err := measure(begin, show)
	if err != nil {
		return nil, err
	}
	if asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		return rep, out.Encode(rep)
	}
	if first {
		compare.WriteMachine(stdout, rep)
	}
	compare.WriteEnd(stdout, rep)
	return rep, nil
}
