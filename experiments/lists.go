package experiments

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// Names is a list of words; in a configuration one may stand without its list.
type Names []string

// Numbers is a list of whole numbers of at least 0; one may stand without its
// list.
type Numbers []int

func (l *Names) decodeNode(d *decoder, path string, n ast.Node) error {
	return items(d, path, n, func(path string, n ast.Node) error {
		var name string
		err := d.scalar(path, n, &name)
		*l = append(*l, name)
		return err
	})
}

func (l *Numbers) decodeNode(d *decoder, path string, n ast.Node) error {
	return items(d, path, n, func(path string, n ast.Node) error {
		var number int
		err := d.scalar(path, n, &number)
		if err == nil && number < 0 {
			err = d.errorf(n, "%s: is %d, must be at least 0", path, number)
		}
		*l = append(*l, number)
		return err
	})
}

// items reads the items of a list, or the one that stands without.
func items(d *decoder, path string, n ast.Node, read func(path string, n ast.Node) error) error {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return read(path, n)
	}
	for i, item := range list.Values {
		if err := read(fmt.Sprintf("%s[%d]", path, i), item); err != nil {
			return err
		}
	}
	return nil
}
