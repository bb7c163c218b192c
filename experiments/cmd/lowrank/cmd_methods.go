package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/lora"
)

type methodsOptions struct{ json bool }

func newMethodsCmd() *cobra.Command {
	var opts methodsOptions
	cmd := &cobra.Command{
		Use:   "methods [NAME]",
		Short: "List the methods: axis, paper, parts",
		Long: `List every method of the table with its axis, its paper and its parts: for each
part the row that it comes from and, in brackets, its kind. Parts of different rows
may be combined in a configuration: method: {init: pissa, update: lora-pro}.

R, ALPHA and LR are the rank (in a mixture, of each expert), the α and the largest
learning rate of one experiment of the method's authors, IN which model and data; rs
marks a scaling of α/√r, and - what they leave open or is not known. They are to be
compared with: no run takes them by itself.`,
		Args: func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error { return runMethods(opts, args, cmd.OutOrStdout()) },
	}
	cmd.Flags().BoolVar(&opts.json, "json", false, "print JSON")
	return cmd
}

// methodRow is a method as --json prints it.
type methodRow struct {
	Name  string `json:"name"`
	Axis  string `json:"axis"`
	Paper string `json:"paper"`
	ArXiv string `json:"arxiv"`
	Parts parts  `json:"parts"`
	// Published is absent where no numbers of the authors are known.
	Published lora.Published `json:"published,omitzero"`
}

// columns are R, ALPHA, LR and IN.
func columns(p lora.Published) string {
	number := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	alpha := number(p.Alpha)
	if p.Root {
		alpha += " rs"
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s", number(float64(p.Rank)), alpha, number(p.LR), cmp.Or(p.In, "-"))
}

type parts struct {
	Delta  part `json:"delta"`
	Init   part `json:"init"`
	Update part `json:"update"`
	Rank   part `json:"rank"`
	Router part `json:"router"`
}

// A part is named by the row that it comes from and by its kind.
type part struct {
	Row  string `json:"row"`
	Kind string `json:"kind"` // the type of its value; "" for an absent router
}

func (p part) String() string {
	if p.Row == "none" {
		return p.Row
	}
	return fmt.Sprintf("%s (%s)", p.Row, p.Kind)
}

func runMethods(opts methodsOptions, args []string, out io.Writer) error {
	methods := lora.Methods()
	if len(args) == 1 {
		m, err := lora.Row(args[0])
		if err != nil {
			return usage(err)
		}
		methods = []lora.Method{m}
	}
	rows := make([]methodRow, len(methods))
	for i, m := range methods {
		rows[i] = methodRow{m.Name, string(m.Axis), m.Paper, m.ArXiv, partsOf(m), m.Published}
	}
	if opts.json {
		return printJSON(out, rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tAXIS\tDELTA\tINIT\tUPDATE\tRANK\tROUTER\tR\tALPHA\tLR\tIN\tARXIV\tPAPER")
	for _, r := range rows {
		p := r.Parts
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Axis, p.Delta, p.Init, p.Update, p.Rank, p.Router, columns(r.Published), r.ArXiv, r.Paper)
	}
	return w.Flush()
}

func partsOf(m lora.Method) parts {
	kind := func(value any) string {
		if value == nil {
			return ""
		}
		return reflect.TypeOf(value).Name()
	}
	r := m.PartRows()
	return parts{
		Delta: part{r.Delta, kind(m.Delta)}, Init: part{r.Init, kind(m.Initial)}, Update: part{r.Update, kind(m.Update)},
		Rank: part{r.Rank, kind(m.Rank)}, Router: part{r.Router, kind(m.Router)},
	}
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
