package ag

import "fmt"

// A ShapeError reports operands that do not fit together. Constructors of
// operators panic with it; [Guard] returns it.
type ShapeError struct {
	Op   string // the operator's name
	Text string // both shapes, and what was wanted
}

func (e *ShapeError) Error() string { return "ag: " + e.Op + ": " + e.Text }

// fail panics with a ShapeError of the operator.
func fail(op, format string, args ...any) {
	panic(&ShapeError{Op: op, Text: fmt.Sprintf(format, args...)})
}

// Guard runs build, which makes operators, and returns the ShapeError that it
// panics with. Other panics go on.
func Guard(build func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *ShapeError:
			err = p
		default:
			panic(p)
		}
	}()
	build()
	return nil
}
