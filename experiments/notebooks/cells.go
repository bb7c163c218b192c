package notebooks

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// A cell is a piece of the source: prose in Markdown, or code and what it has
// put out so far.
type cell struct {
	prose       bool
	text        string
	first, last int // lines of the source, counted from 1
	outputs     []output
}

// split reads a Go file as cells: the body of the named function is laid open,
// other declarations stay whole.
func split(source, function string) ([]cell, error) {
	s := &splitter{set: token.NewFileSet(), lines: strings.Split(source, "\n")}
	file, err := parser.ParseFile(s.set, "", source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("notebook source:%w", err)
	}
	s.file = file
	var cells []cell
	found := false
	from := s.line(file.Name.End()) + 1 // the lines of declarations not yet in a cell: from … to-1
	flush := func(to int) { cells = append(cells, s.cells(from, to-1, "")...) }
	for _, d := range file.Decls {
		f, isFunc := d.(*ast.FuncDecl)
		body := isFunc && f.Recv == nil && f.Name.Name == function && f.Body != nil
		if !body && !plumbing(d) {
			continue
		}
		flush(s.line(start(d)))
		if body {
			found = true
			cells = append(cells, s.cells(s.line(f.Body.Lbrace)+1, s.line(f.Body.Rbrace)-1, "\t")...)
			if last := len(cells) - 1; last >= 0 && cells[last].text == "return nil" {
				cells = cells[:last] // says nothing
			}
		}
		from = s.line(d.End()) + 1
	}
	flush(len(s.lines) + 1)
	if !found {
		return nil, fmt.Errorf("notebook source: has no func %s: embed the file that declares it", function)
	}
	return cells, nil
}

// plumbing reports whether a declaration makes the program run but says
// nothing of the experiment.
func plumbing(d ast.Decl) bool {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Recv == nil && d.Name.Name == "main"
	case *ast.GenDecl:
		return d.Tok == token.IMPORT || d.Doc != nil && strings.HasPrefix(d.Doc.List[len(d.Doc.List)-1].Text, "//go:embed ")
	}
	return false
}

// start is where a declaration begins, its comment included.
func start(d ast.Decl) token.Pos {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc != nil {
			return d.Doc.Pos()
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			return d.Doc.Pos()
		}
	}
	return d.Pos()
}

type splitter struct {
	set   *token.FileSet
	file  *ast.File
	lines []string
}

func (s *splitter) line(p token.Pos) int { return s.set.Position(p).Line }

// cells cuts the lines first to last, which have at least the given
// indentation, at the comments of that indentation that stand alone.
func (s *splitter) cells(first, last int, indent string) []cell {
	var out []cell
	from := first
	for _, c := range s.file.Comments {
		begin, end := s.line(c.Pos()), s.line(c.End())
		if begin < first || end > last || !s.alone(c, begin, end, first, last, indent) {
			continue
		}
		out = s.code(out, from, begin-1, indent)
		out = append(out, cell{prose: true, text: prose(c), first: begin, last: end})
		from = end + 1
	}
	return s.code(out, from, last, indent)
}

// alone reports whether the comment c has empty lines around it, or the ends
// of its block, and the indentation of the block.
func (s *splitter) alone(c *ast.CommentGroup, begin, end, first, last int, indent string) bool {
	empty := func(n int) bool { return n < first || n > last || strings.TrimSpace(s.lines[n-1]) == "" }
	return empty(begin-1) && empty(end+1) && strings.HasPrefix(s.lines[begin-1], indent+"//") && !strings.HasPrefix(c.List[0].Text, "//go:")
}

// prose is the text of a comment.
func prose(c *ast.CommentGroup) string {
	var lines []string
	for _, l := range c.List {
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(l.Text, "//"), " "))
	}
	return strings.Join(lines, "\n")
}

// code appends the lines first to last as a cell of code, if there are any but
// empty ones.
func (s *splitter) code(cells []cell, first, last int, indent string) []cell {
	for first <= last && strings.TrimSpace(s.lines[first-1]) == "" {
		first++
	}
	for last >= first && strings.TrimSpace(s.lines[last-1]) == "" {
		last--
	}
	if first > last {
		return cells
	}
	var text []string
	for _, l := range s.lines[first-1 : last] {
		text = append(text, strings.TrimPrefix(l, indent))
	}
	return append(cells, cell{text: strings.Join(text, "\n"), first: first, last: last})
}
