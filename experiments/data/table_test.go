package data

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// put writes a file into a new folder.
func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// texts are the cells of a table as a person would write them.
func texts(table *Table) [][]string {
	var rows [][]string
	for i := range table.Rows {
		var row []string
		for j := range table.Columns {
			row = append(row, show(table.Cell(i, j)))
		}
		rows = append(rows, row)
	}
	return rows
}

func show(c Cell) string {
	switch c.Kind {
	case Null:
		return "-"
	case Number:
		return "#" + c.Text
	case List:
		var all []string
		for _, x := range c.List {
			all = append(all, show(x))
		}
		return "[" + strings.Join(all, " ") + "]"
	case Other:
		return "?"
	}
	return c.Text
}

func TestReadTables(t *testing.T) {
	type list struct {
		Text   string   `parquet:"text"`
		Pair   *string  `parquet:"pair,optional"`
		Label  int64    `parquet:"label"`
		Score  float64  `parquet:"score"`
		Topics []string `parquet:"topics,list"`
		Nested struct {
			A int32  `parquet:"a"`
			B []byte `parquet:"b"`
		} `parquet:"nested"`
	}
	pair := "second"
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := parquet.WriteFile(path, []list{{Text: "one", Pair: &pair, Label: 3, Score: 2, Topics: []string{"x", "y"}}, {Text: "two", Score: 0.5}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path    string
		columns []string
		rows    [][]string
		lines   []int
	}{
		{put(t, "a.jsonl", "\ufeff{\"text\": \"a\\nb\", \"label\": 1}\n\n  {\"label\": null, \"more\": [\"x\", 2, true], \"object\": {}}  \r\n{}"),
			[]string{"text", "label", "more", "object"}, [][]string{{"a\nb", "#1", "-", "-"}, {"-", "-", "[x #2 true]", "?"}, {"-", "-", "-", "-"}}, []int{1, 3, 4}},
		{put(t, "a.csv", "\ufefftext,label\r\n\"a, \"\"b\"\"\nc\",1\n\nd,\n"), []string{"text", "label"}, [][]string{{"a, \"b\"\nc", "1"}, {"d", ""}}, []int{2, 5}},
		{path, []string{"text", "pair", "label", "score", "topics", "nested"},
			[][]string{{"one", "second", "#3", "#2.0", "[x y]", "?"}, {"two", "-", "#0", "#0.5", "[]", "?"}}, []int{1, 2}},
	} {
		table, err := ReadTable(c.path)
		if err != nil {
			t.Error(err)
			continue
		}
		if !reflect.DeepEqual(table.Columns, c.columns) || !reflect.DeepEqual(texts(table), c.rows) {
			t.Errorf("%s: have %q of %q, want %q of %q", filepath.Base(c.path), texts(table), table.Columns, c.rows, c.columns)
		}
		for i, row := range table.Rows {
			if row.Line != c.lines[i] {
				t.Errorf("%s: row %d stands in line %d, want %d", filepath.Base(c.path), i, row.Line, c.lines[i])
			}
		}
	}
}

func TestTablesThatCannotBe(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a.jsonl", "", "has no records"},
		{"a.jsonl", "{\"a\": 1}\n[1]\n", "a.jsonl:2: must be one object a line"},
		{"a.jsonl", "{\"a\": 1}\n{\"a\": 1\n", "a.jsonl:2: is not JSON at byte 7"},
		{"a.jsonl", "{\"a\": 1} {\"a\": 2}\n", "a.jsonl:1: is not JSON at byte 10"},
		{"a.jsonl", "{\"a\": 1, \"a\": 2}\n", `a.jsonl:1: the key "a" comes twice`},
		{"a.jsonl", strings.Repeat(`{"a":`, 20_000), "a.jsonl:1: is not JSON"},
		{"a.csv", "", "a.csv is empty"},
		{"a.csv", "a,b\n", "has no records"},
		{"a.csv", "a,a\n1,2\n", `a.csv:1: two columns have the name "a"`},
		{"a.csv", "a,b\n1,2\n1,2,3\n", "a.csv:3: has another number of fields"},
		{"a.csv", "a,b\n1,\"2\n", "a.csv:"},
		{"a.parquet", "PAR1 is how it begins, and it ends in PAR1", "a.parquet"},
		{"a.json", "[]", "must end in .txt, .jsonl, .csv or .parquet"},
	} {
		path := put(t, c.name, c.text)
		_, err := ReadTable(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s of %.40q: have %v, want %q in one line", c.name, c.text, err, c.want)
		}
	}
	if _, err := ReadTable(filepath.Join(t.TempDir(), "none.csv")); err == nil || !strings.Contains(err.Error(), "none.csv") {
		t.Errorf("have %v", err)
	}
	dir := filepath.Join(t.TempDir(), "folder.csv")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadTable(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("have %v", err)
	}
}

// A small file may not make a table that fills the memory.
func TestWideTables(t *testing.T) {
	var wide strings.Builder
	for i := range maxColumns + 1 {
		fmt.Fprintf(&wide, "{\"c%d\": 1}\n", i)
	}
	_, err := parseJSONL("wide.jsonl", strings.NewReader(wide.String()))
	if err == nil || !strings.Contains(err.Error(), "wide.jsonl:4097: more than 4096 columns") {
		t.Errorf("have %v", err)
	}
}

func TestColumns(t *testing.T) {
	table, err := ReadTable(put(t, "a.jsonl", `{"sentence": "a", "label": "b", "x": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	if i, err := table.Column("label"); err != nil || i != 1 {
		t.Errorf("have %d, %v", i, err)
	}
	if _, err := table.Column("labels"); err == nil || !strings.Contains(err.Error(), `no column "labels"; there are, nearest first: "label", "x", "sentence"`) {
		t.Errorf("have %v", err)
	}
}

func TestLabels(t *testing.T) {
	for text, want := range map[string]struct {
		values Values
		names  []string
	}{
		`{"l": "b"} {"l": "a"} {"l": "b"}`:       {Classes, []string{"a", "b"}},
		`{"l": 10} {"l": 9} {"l": -1}`:           {Classes, []string{"-1", "9", "10"}},
		`{"l": "10"} {"l": "9"}`:                 {Classes, []string{"9", "10"}},
		`{"l": true} {"l": false}`:               {Classes, []string{"false", "true"}},
		`{"l": 1} {"l": "a"}`:                    {Classes, []string{"1", "a"}},
		`{"l": 1} {"l": 0.5}`:                    {Reals, nil},
		`{"l": 1.0} {"l": 2.0}`:                  {Reals, nil},
		`{"l": ["b", "a"]} {"l": []} {"l": [1]}`: {Sets, []string{"1", "a", "b"}},
	} {
		table, err := parseJSONL("a", strings.NewReader(strings.ReplaceAll(text, "} {", "}\n{")))
		if err != nil {
			t.Fatal(err)
		}
		values, err := table.LabelsOf(0)
		if err != nil || values != want.values {
			t.Errorf("%s: have %v, %v", text, values, err)
		}
		if want.names == nil {
			continue
		}
		if names, err := table.Distinct(0, 100); err != nil || !reflect.DeepEqual(names, want.names) {
			t.Errorf("%s: have %q, %v, want %q", text, names, err, want.names)
		}
	}
	for text, want := range map[string]string{
		`{"l": "a"} {}`:            `a:2: column "l": is missing, must be a label`,
		`{"l": {}}`:                `a:1: column "l": is neither text nor a number`,
		`{"l": ["a"]} {"l": "a"}`:  `a:2: column "l": is text where other rows are not`,
		`{"l": "a"} {"l": ["a"]}`:  `a:2: column "l": is a list where other rows are not`,
		`{"l": ["a", "a"]}`:        `a:1: column "l": has the label "a" twice`,
		`{"l": [["a"]]}`:           `a:1: column "l": has a label that is a list`,
		`{"l": "a"} {"l": "b"}`:    `more than 1 different labels`,
		`{"l": 0.5} {"l": 1e400}`:  ``,
		`{"l": "nan"} {"l": 0.25}`: ``,
	} {
		table, err := parseJSONL("a", strings.NewReader(strings.ReplaceAll(text, "} {", "}\n{")))
		if err != nil {
			t.Fatal(err)
		}
		values, err := table.LabelsOf(0)
		if err == nil && values != Reals {
			_, err = table.Distinct(0, 1)
		}
		if err == nil && values == Reals {
			_, err = table.Real(1, 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: have %v, want %q", text, err, want)
		}
	}
}

func TestDocuments(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b.txt": "second", "a.TXT": "first", "c.md": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	have, err := ReadDocuments(dir)
	if err != nil || !reflect.DeepEqual(have, []string{"first", "second"}) || !IsText(dir) {
		t.Errorf("have %q, %v", have, err)
	}
	have, err = ReadDocuments(filepath.Join(dir, "b.txt"))
	if err != nil || !reflect.DeepEqual(have, []string{"second"}) {
		t.Errorf("have %q, %v", have, err)
	}
	if _, err := ReadDocuments(t.TempDir()); err == nil || !strings.Contains(err.Error(), "neither .txt files nor") {
		t.Errorf("have %v", err)
	}
}

func TestImages(t *testing.T) {
	dir := t.TempDir()
	paint := func(name string, w, h int) {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o777)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img := image.NewRGBA(image.Rect(0, 0, w, h))
		img.Set(0, 0, color.RGBA{255, 0, 0, 255})
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
	}
	paint("cat/2.png", 3, 2)
	paint("cat/1.png", 3, 2)
	paint("ant/1.PNG", 1, 1)
	paint(".thumbs/1.png", 1, 1)
	if !IsImages(dir) || IsText(dir) {
		t.Error("is not taken for images")
	}
	have, err := ListImages(dir)
	want := []Image{{filepath.Join(dir, "ant/1.PNG"), "ant"}, {filepath.Join(dir, "cat/1.png"), "cat"}, {filepath.Join(dir, "cat/2.png"), "cat"}}
	if err != nil || !reflect.DeepEqual(have, want) {
		t.Errorf("have %v, %v", have, err)
	}
	if img, err := ReadImage(have[1].Path); err != nil || img.Bounds().Dx() != 3 {
		t.Errorf("have %v, %v", img, err)
	}
	bad := filepath.Join(dir, "cat", "3.jpg")
	if err := os.WriteFile(bad, []byte("no image"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ListImages(dir); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("have %v", err)
	}
	os.Rename(bad, filepath.Join(dir, "cat", "notes.md"))
	if _, err := ListImages(dir); err == nil || !strings.Contains(err.Error(), "must be an image") {
		t.Errorf("have %v", err)
	}
}

func FuzzJSONL(f *testing.F) {
	for _, s := range []string{"", "{}", "{\"a\": 1}\n{\"b\": [1, {}]}\n", "\ufeff{\"a\": \"\\ud800\"}", "[", "{\"a\":{\"a\":{", "\x00\xff", "{\"a\":1e999}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { fuzzed(t, text, parseJSONL) })
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"", "a,b\n1,2\n", "\ufeff\"a\n\",b\n\"\",\"", "a,a\n", "a\n\"", ",\n,", "a\r\n\r\n\rb", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { fuzzed(t, text, parseCSV) })
}

// fuzzed checks that a text gives a table whose every cell can be read, or an
// error of one line that names the file.
func fuzzed(t *testing.T, text string, parse func(string, io.Reader) (*Table, error)) {
	table, err := parse("f.x", strings.NewReader(text))
	if err != nil {
		if s := err.Error(); strings.ContainsAny(s, "\n\r") || !strings.HasPrefix(s, "f.x") {
			t.Errorf("the error is not one line about the file: %q", s)
		}
		return
	}
	for i := range table.Rows {
		if i > 0 && table.Rows[i].Line <= table.Rows[i-1].Line {
			t.Errorf("row %d stands in line %d, behind line %d", i, table.Rows[i].Line, table.Rows[i-1].Line)
		}
		for j := range table.Columns {
			if _, err := table.Text(i, j); err != nil && strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("the error is not one line: %q", err)
			}
		}
	}
	for j := range table.Columns {
		if _, err := table.LabelsOf(j); err == nil {
			_, err = table.Distinct(j, 1000)
			if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("the error is not one line: %q", err)
			}
		}
	}
}
