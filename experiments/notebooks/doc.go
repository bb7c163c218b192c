// Package notebooks turns a Go program into a notebook: a program that embeds
// its own source is read from top to bottom as cells, is run once, and leaves
// a Jupyter notebook, and a page, in which each cell of code holds what it printed
// and drew.
//
// The source is the notebook. In the body of its experiment a comment that
// stands alone, with an empty line before and after, is prose in Markdown; the
// code between two of them is a cell; a comment right above code belongs to
// the code. Other declarations of the file follow as cells by the same rule.
// The imports, func main, the variable that embeds the source and a return nil
// that stands alone at the end are left out.
//
// A program under NN_name/ is
//
//	//go:embed main.go
//	var source string
//
//	func main() { notebooks.Main("NN_name", source, experiment) }
//
//	func experiment(ctx context.Context, nb *notebooks.Notebook) error {
//		// # The question
//
//		nb.Printf("%d\n", 6*7)
//		return nil
//	}
//
// and go run ./notebooks/NN_name -o DIR writes DIR/NN_name.ipynb, and the same as
// a page to read, DIR/NN_name.html. What the experiment keeps (its base model and
// its runs) lies in DIR/NN_name, where the same command finds it again.
package notebooks
