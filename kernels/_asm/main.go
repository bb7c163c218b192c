// Command _asm writes the assembly of package kernels: run it in this folder with
// "go run .". Each generator is a function that registers itself under the name
// of its file, for amd64 in generators and for arm64 in neonFiles; stale_test.go
// holds the files to the generators.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// generators maps a file of package kernels to the function that writes its
// text into a context. A generator's file adds itself in an init function.
var generators = map[string]func(*build.Context){}

// source returns the text of the file that generate writes.
func source(generate func(*build.Context)) ([]byte, error) {
	c := build.NewContext()
	c.ConstraintExpr("!purego")
	generate(c)
	file, err := c.Result()
	if err != nil {
		return nil, err
	}
	if err := pass.Compile.Execute(file); err != nil {
		return nil, err
	}
	return printer.NewGoAsm(printer.Config{Name: "kernels/_asm"}).Print(file)
}

// sources returns the text of every generated file.
func sources() (map[string][]byte, error) {
	texts := map[string][]byte{}
	for name, generate := range generators {
		text, err := source(generate)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		texts[name] = text
	}
	for name, generate := range neonFiles {
		texts[name] = neonSource(generate)
	}
	return texts, nil
}

// write writes every generated file into folder.
func write(folder string) error {
	texts, err := sources()
	if err != nil {
		return err
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := write(".."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
