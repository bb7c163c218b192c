package nn

import "errors"

// Unsupported marks an error as one about what is sound but not computed here:
// errors.Is finds [errors.ErrUnsupported] in it.
func Unsupported(err error) error { return unsupported{err} }

type unsupported struct{ error }

func (e unsupported) Unwrap() error { return e.error }

func (unsupported) Is(target error) bool { return target == errors.ErrUnsupported }
