package experiments

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/scanner"
	"github.com/goccy/go-yaml/token"
)

// What a configuration may be before a parser sees it. A parser that follows
// 100,000 open brackets exhausts the memory of the machine.
const (
	maxConfigBytes   = 256 << 10 // the scanner needs up to 250 bytes of memory for each
	maxConfigTokens  = 20_000    // a full configuration has about 200
	maxConfigNesting = 64
)

// parseYAML parses the one document of data, a map. It refuses what a
// configuration has no use for and what parsers disagree about or fall over:
// anchors and aliases, tags, directives, "? key", merge keys, a second
// document, tabs in the indentation, control characters. An error is one line
// that starts with name:line:column.
func parseYAML(name string, data []byte) (root ast.Node, err error) {
	src, err := checkText(name, data)
	if err != nil {
		return nil, err
	}
	defer func() { // for a text that the parser does not survive
		if p := recover(); p != nil {
			root, err = nil, fmt.Errorf("%s: cannot be parsed as YAML: %s", name, oneLine(fmt.Sprint(p)))
		}
	}()
	tokens, err := scan(name, src)
	if err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if root != nil {
			return nil, at(name, place(document.Body), "a second document; a file holds one configuration")
		}
		root = document.Body
	}
	if root == nil {
		return nil, fmt.Errorf("%s: is empty, want a configuration that starts with version: %d", name, ConfigVersion)
	}
	return root, nil
}

// checkText returns data as text with lines that end in "\n".
func checkText(name string, data []byte) (string, error) {
	if len(data) > maxConfigBytes {
		return "", fmt.Errorf("%s: is larger than %d bytes: not a configuration", name, maxConfigBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	src := strings.ReplaceAll(string(data), "\r\n", "\n")
	line, column, indent := 1, 1, true
	for i, r := range src {
		problem := ""
		switch {
		case r == utf8.RuneError && invalidAt(src[i:]):
			problem = fmt.Sprintf("byte %#02x is not UTF-8", src[i])
		case r == '\t' && indent:
			problem = "tab in the indentation; YAML wants spaces"
		case r < ' ' && r != '\n' && r != '\t', r == 0x7f, r == '\u0085', r == '\u2028', r == '\u2029':
			problem = fmt.Sprintf("control character %U", r)
		}
		if problem != "" {
			return "", fmt.Errorf("%s:%d:%d: %s", name, line, column, problem)
		}
		column++
		indent = indent && r == ' '
		if r == '\n' {
			line, column, indent = line+1, 1, true
		}
	}
	return src, nil
}

// invalidAt reports whether s starts with bytes that are not UTF-8, rather than
// with a written U+FFFD.
func invalidAt(s string) bool {
	r, size := utf8.DecodeRuneInString(s)
	return r == utf8.RuneError && size == 1
}

// scan splits src into tokens, in bounded memory, and refuses those that a
// configuration may not have.
func scan(name, src string) (token.Tokens, error) {
	var s scanner.Scanner
	s.Init(src)
	var tokens token.Tokens
	var nesting nesting
	for {
		next, err := s.Scan()
		if err == io.EOF {
			return tokens, nil
		}
		for _, t := range next {
			if problem := refused(t, tokens); problem != "" {
				return nil, at(name, t, "%s", problem)
			}
			if nesting.add(t) > maxConfigNesting {
				return nil, at(name, t, "nested more than %d deep", maxConfigNesting)
			}
			tokens.Add(t)
		}
		if len(tokens) > maxConfigTokens {
			return nil, fmt.Errorf("%s: has more than %d words and marks: not a configuration", name, maxConfigTokens)
		}
	}
}

// refused says why t, which follows before, may not be in a configuration.
func refused(t *token.Token, before token.Tokens) string {
	switch t.Type {
	case token.AnchorType, token.AliasType:
		return "anchors (&) and aliases (*) are not read; quote the text if it is one"
	case token.TagType:
		return "tags (!) are not read; quote the text if it is one"
	case token.MergeKeyType:
		return "merge keys (<<) are not read"
	case token.MappingKeyType:
		return "a key is written key: value, not with ?"
	case token.DirectiveType:
		return "directives (%) are not read"
	case token.DocumentHeaderType:
		for _, b := range before {
			if b.Type != token.CommentType {
				return "a second document; a file holds one configuration"
			}
		}
	}
	return ""
}

// nesting follows how deep the tokens of a text are nested: brackets, and the
// columns at which the enclosing blocks start.
type nesting struct {
	brackets int
	columns  []int
	line     int
	entry    bool // the last token was "-"
}

func (n *nesting) add(t *token.Token) int {
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		n.brackets++
	case token.SequenceEndType, token.MappingEndType:
		n.brackets--
	}
	if opens := t.Position.Line != n.line || n.entry || t.Type == token.SequenceEntryType; opens && n.brackets <= 0 {
		for len(n.columns) > 0 && n.columns[len(n.columns)-1] >= t.Position.Column {
			n.columns = n.columns[:len(n.columns)-1]
		}
		n.columns = append(n.columns, t.Position.Column)
	}
	n.line, n.entry = t.Position.Line, t.Type == token.SequenceEntryType
	return max(n.brackets, 0) + len(n.columns)
}

// syntaxError puts an error of the parser, which comes with an excerpt of the
// text, into one line.
func syntaxError(name string, err error) error {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		return fmt.Errorf("%s: %s", name, oneLine(err.Error()))
	}
	return at(name, e.GetToken(), "%s", oneLine(e.GetMessage()))
}

func oneLine(s string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, first)
}

// at is an error with the place of t.
func at(name string, t *token.Token, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if t == nil || t.Position == nil {
		return fmt.Errorf("%s: %s", name, message)
	}
	return fmt.Errorf("%s:%d:%d: %s", name, t.Position.Line, t.Position.Column, message)
}
