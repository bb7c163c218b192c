package lora

import "strings"

// A bare error is told without the name of this package, for a message that begins with
// it already.
type bare struct{ error }

func (b bare) Error() string { return strings.TrimPrefix(b.error.Error(), "lora: ") }

func (b bare) Unwrap() error { return b.error }
