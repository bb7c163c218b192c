package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/lowrank/lowrank/nn"
	"github.com/lowrank/lowrank/nn/generate"
	"github.com/lowrank/lowrank/nn/pretrained"
	"github.com/lowrank/lowrank/nn/tokenizer"
)

type generateOptions struct {
	generate.Options
	adapter string
	prompt  string
	json    bool
}

func newGenerateCmd() *cobra.Command {
	var opts generateOptions
	cmd := &cobra.Command{
		Use:   "generate MODEL --prompt TEXT",
		Short: "Continue a text with a model, and an adapter of it",
		Long: `Load the language model in the folder MODEL, with its tokenizer.json, and an adapter
if one is given, and continue the prompt, token by token, to the model's own end or
to --tokens. An encoder-decoder answers the prompt.

Without --temperature the likeliest token is taken each time.`,
		Example: `  lowrank generate model --adapter study/runs/mine/adapter --prompt 'Once upon a time'
  lowrank generate model --prompt 'Once' --temperature 0.8 --top-p 0.95 --seed 3`,
		Args: exactly(1, "the folder of a model"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.prompt == "" {
				return usage(fmt.Errorf("--prompt is missing: the text to continue"))
			}
			if err := opts.Check(); err != nil {
				return usage(err)
			}
			return runGenerate(cmd.Context(), opts, args[0], cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.prompt, "prompt", "", "text to continue")
	f.StringVar(&opts.adapter, "adapter", "", "folder of an adapter of the model")
	f.IntVar(&opts.Tokens, "tokens", 128, "most tokens to add")
	f.Float64Var(&opts.Temperature, "temperature", 0, "divides the logits that the next token is drawn by; 0: the likeliest")
	f.IntVar(&opts.TopK, "top-k", 0, "draw among so many likeliest tokens; 0: all")
	f.Float64Var(&opts.TopP, "top-p", 0, "draw among the likeliest tokens that have this probability together; 0: all")
	f.Uint64Var(&opts.Seed, "seed", 1, "of the draws")
	f.BoolVar(&opts.json, "json", false, "print JSON: {\"text\", \"ids\", \"tokens_per_second\"}")
	return cmd
}

// generated is what --json prints.
type generated struct {
	Text string  `json:"text"`
	IDs  []int32 `json:"ids"`
	Rate float64 `json:"tokens_per_second"` // after the first
}

func runGenerate(ctx context.Context, opts generateOptions, dir string, out io.Writer) error {
	tok, err := tokenizer.Load(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return usage(err)
	}
	var model nn.Model
	if opts.adapter == "" {
		model, err = pretrained.Load(dir)
	} else {
		model, _, err = adapted(dir, opts.adapter)
	}
	if err != nil {
		return usage(err)
	}
	if opts.Stop, err = pretrained.EndTokens(dir); err != nil {
		return usage(err)
	}
	var prompt []int32
	for _, id := range tok.Encode(opts.prompt, true).IDs {
		prompt = append(prompt, int32(id))
	}
	text := &stream{tok: tok, out: out, quiet: opts.json}
	var first, last time.Time
	ids, err := generate.Sequence(model, prompt, opts.Options, func(id int32) bool {
		if last = time.Now(); first.IsZero() {
			first = last
		}
		text.add(id)
		return ctx.Err() == nil
	})
	if err != nil {
		return usage(err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !opts.json {
		_, err := fmt.Fprintln(out, text.rest())
		return err
	}
	g := generated{Text: text.whole(), IDs: ids}
	if n := len(ids) - 1; n > 0 {
		g.Rate = float64(n) / last.Sub(first).Seconds()
	}
	return printJSON(out, g)
}

// A stream writes the text of tokens as they come. Of one that ends within a
// character it waits for the next.
type stream struct {
	tok     *tokenizer.Tokenizer
	out     io.Writer
	quiet   bool
	ids     []int
	written string
}

func (s *stream) whole() string { return s.tok.Decode(s.ids, true) }

// rest returns what has not been written.
func (s *stream) rest() string { return strings.TrimPrefix(s.whole(), s.written) }

func (s *stream) add(id int32) {
	s.ids = append(s.ids, int(id))
	if s.quiet {
		return
	}
	text := s.whole()
	if strings.HasSuffix(text, string(utf8.RuneError)) || !strings.HasPrefix(text, s.written) {
		return
	}
	io.WriteString(s.out, text[len(s.written):])
	s.written = text
}
