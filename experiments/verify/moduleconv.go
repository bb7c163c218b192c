package verify

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lowrank/lowrank/ag"
	"github.com/lowrank/lowrank/nn"
)

// convArgs are the parameters of PyTorch's Conv2d in their order.
var convArgs = []string{"in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode"}

// window returns the geometry of the recorded convolution, which its JSON gives
// as the call that made it: Conv2d(6,10,3,stride=2,padding=(1,0)).
func (rec *recording) window(weight, images []int) (ag.Window, error) {
	var w ag.Window
	args, err := callArgs(rec.Conv, "Conv2d", convArgs)
	if err != nil {
		return w, fmt.Errorf("conv: %w", err)
	}
	given := func(name, otherwise string) string {
		if v, ok := args[name]; ok {
			return v
		}
		return otherwise
	}
	if given("padding", "") == "valid" {
		args["padding"] = "0"
	}
	for _, c := range []struct {
		name, otherwise string
		height, width   *int
	}{
		{"kernel_size", "", &w.KernelHeight, &w.KernelWidth},
		{"stride", "1", &w.StrideHeight, &w.StrideWidth},
		{"padding", "0", &w.PadHeight, &w.PadWidth},
	} {
		if *c.height, *c.width, err = pair(given(c.name, c.otherwise)); err != nil {
			return w, fmt.Errorf("conv: %s: %w", c.name, err)
		}
	}
	for name, only := range map[string]string{"dilation": "1", "groups": "1", "padding_mode": "zeros"} {
		if v := given(name, only); v != only && strings.Trim(v, "(1,) ") != "" {
			return w, nn.Unsupported(fmt.Errorf("conv: %s is %s: not supported", name, v))
		}
	}
	want := []int{number(args["out_channels"]), number(args["in_channels"]), w.KernelHeight, w.KernelWidth}
	if fmt.Sprint(want) != fmt.Sprint(weight) {
		return w, fmt.Errorf("the weight is %v, of %s: must be %v", weight, rec.Conv, want)
	}
	w.Channels, w.Height, w.Width = images[1], images[2], images[3]
	if w.Channels != weight[1] {
		return w, fmt.Errorf("x is %v: must have %d channels", images, weight[1])
	}
	return w, w.Check()
}

// callArgs reads a call as Python writes it, name(1, (2, 3), key=4), and returns
// the text of each argument by its name.
func callArgs(call, function string, params []string) (map[string]string, error) {
	inner, ok := strings.CutPrefix(strings.TrimSpace(call), function+"(")
	if ok {
		inner, ok = strings.CutSuffix(inner, ")")
	}
	if !ok {
		return nil, fmt.Errorf("%q: must be %s(…)", call, function)
	}
	args := map[string]string{}
	for i, arg := range splitArgs(inner) {
		name, v, named := strings.Cut(arg, "=")
		name, v = strings.TrimSpace(name), strings.Trim(v, " '\"")
		if !named {
			if i >= len(params) {
				return nil, fmt.Errorf("%q: %d arguments: %s has %d", call, i+1, function, len(params))
			}
			name, v = params[i], strings.Trim(arg, " '\"")
		}
		args[name] = v
	}
	return args, nil
}

// splitArgs splits at the commas that are in no brackets.
func splitArgs(s string) []string {
	var args []string
	depth, from := 0, 0
	for i, c := range s {
		switch {
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == ',' && depth == 0:
			args, from = append(args, s[from:i]), i+1
		}
	}
	if rest := s[from:]; strings.TrimSpace(rest) != "" {
		args = append(args, rest)
	}
	return args
}

// pair reads one number for both directions, or two.
func pair(s string) (height, width int, err error) {
	one, two, both := strings.Cut(strings.Trim(s, "()[] "), ",")
	if !both || strings.TrimSpace(two) == "" {
		two = one
	}
	for _, p := range []struct {
		text string
		n    *int
	}{{one, &height}, {two, &width}} {
		if *p.n, err = strconv.Atoi(strings.TrimSpace(p.text)); err != nil {
			return 0, 0, nn.Unsupported(fmt.Errorf("%q is not supported", s))
		}
	}
	return height, width, nil
}

// number reads a number; -1 is none.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}
