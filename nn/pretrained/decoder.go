package pretrained

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// A decoder reads JSON where it lies, value by value, each of the type that
// must come. It stands in for encoding/json, which takes keys twice and in any
// case, and whose tokens need some three times as long.
type decoder struct {
	b  []byte // UTF-8
	at int
}

// next returns the byte that comes after white space, 0 at the end.
func (d *decoder) next() byte {
	for ; d.at < len(d.b); d.at++ {
		switch c := d.b[d.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// delim reads one character of JSON's grammar.
func (d *decoder) delim(want byte) error {
	if d.next() != want {
		return d.unfit(string(want))
	}
	d.at++
	return nil
}

// list reads values between two delimiters.
func (d *decoder) list(open, close byte, value func() error) error {
	if err := d.delim(open); err != nil {
		return err
	}
	if d.next() == close {
		d.at++
		return nil
	}
	for {
		if err := value(); err != nil {
			return err
		}
		switch d.next() {
		case close:
			d.at++
			return nil
		case ',':
			d.at++
		default:
			return d.unfit(", or " + string(close))
		}
	}
}

// object reads an object; value reads what belongs to a key.
func (d *decoder) object(value func(key string) error) error {
	return d.list('{', '}', func() error {
		key, err := d.string()
		if err != nil {
			return err
		}
		if err := d.delim(':'); err != nil {
			return err
		}
		return value(key)
	})
}

func (d *decoder) string() (string, error) {
	if d.next() != '"' {
		return "", d.unfit("a string")
	}
	escaped := false
	for i := d.at + 1; i < len(d.b); i++ {
		switch c := d.b[i]; {
		case c == '\\':
			escaped = true
			i++
		case c == '"':
			text := d.b[d.at+1 : i]
			if !escaped {
				d.at = i + 1
				return string(text), nil
			}
			var s string
			if err := json.Unmarshal(d.b[d.at:i+1], &s); err != nil {
				return "", fmt.Errorf("the string at byte %d: %w", d.at, err)
			}
			d.at = i + 1
			return s, nil
		case c < ' ':
			return "", fmt.Errorf("the string at byte %d: control character %q", d.at, c)
		}
	}
	return "", io.ErrUnexpectedEOF
}

// word returns the number, or whatever stands in its place, up to a length
// that no number needs.
func (d *decoder) word() []byte {
	d.next()
	const most = 64
	w := d.b[d.at:min(d.at+most, len(d.b))]
	if end := bytes.IndexAny(w, " \t\n\r,:[]{}\""); end >= 0 {
		w = w[:end]
	}
	return w
}

// ints reads an array of at most most integers from 0 up.
func (d *decoder) ints(most int) ([]int, error) {
	list := []int{}
	err := d.list('[', ']', func() error {
		if len(list) == most {
			return fmt.Errorf("more than %d integers at byte %d", most, d.at)
		}
		w := d.word()
		const digits = 19 // of MaxInt64
		if len(w) == 0 || len(w) > digits || w[0] == '0' && len(w) > 1 {
			return d.unfit("an integer from 0 to " + strconv.Itoa(math.MaxInt))
		}
		n, err := strconv.ParseUint(string(w), 10, strconv.IntSize-1)
		if err != nil {
			return d.unfit("an integer from 0 to " + strconv.Itoa(math.MaxInt))
		}
		list = append(list, int(n))
		d.at += len(w)
		return nil
	})
	return list, err
}

// skip reads any one value, of bounded depth.
func (d *decoder) skip() error {
	var value json.RawMessage
	rest := json.NewDecoder(bytes.NewReader(d.b[d.at:]))
	err := rest.Decode(&value)
	d.at += int(rest.InputOffset())
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// end is an error if anything but white space is left.
func (d *decoder) end() error {
	if d.next(); d.at < len(d.b) {
		return d.unfit("the end")
	}
	return nil
}

// unfit is the error that what comes is not what is wanted.
func (d *decoder) unfit(want string) error {
	d.next()
	if d.at == len(d.b) {
		return io.ErrUnexpectedEOF
	}
	const most = 40
	w := d.word()
	if len(w) == 0 { // a delimiter, or a string
		_, size := utf8.DecodeRune(d.b[d.at:])
		w = d.b[d.at : d.at+size]
	}
	return fmt.Errorf("%.*q at byte %d: must be %s", most, w, d.at, want)
}
