package experiments

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
)

// Each refusal is the whole line, so that what a person reads is reviewed here.
func TestParseConfigErrors(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for _, c := range []struct{ text, want string }{
		// keys
		{"version: 1\ntrain:\n  lrr: 1", "run.yaml:3:3: train.lrr: unknown key; did you mean train.lr?"},
		{"version: 1\ntrain: {steps: 5, Batch: 1}", "run.yaml:2:19: train.Batch: unknown key; did you mean train.batch?"},
		{"version: 1\nlr: 1", "run.yaml:2:1: lr: unknown key; did you mean train.lr?"},
		{"version: 1\nmethods: lora", "run.yaml:2:1: methods: unknown key; did you mean method?"},
		{"version: 1\nmethod: {initial: pissa}", "run.yaml:2:10: method.initial: unknown key; did you mean method.init?"},
		{"version: 1\nprobe: {zebra: 1}", "run.yaml:2:9: probe.zebra: unknown key; the keys here are tier0, tier1, tier2, tier3, every"},
		{"version: 1\nrank: 4\nrank: 8", `run.yaml:3:1: mapping key "rank" already defined at [2:1]`},
		{"version: 1\n[a]: 1", "run.yaml:2:4: found an invalid key for this map"},
		{"version: 1\n? a\n: b", "run.yaml:2:1: a key is written key: value, not with ?"},
		// version
		{"rank: 8", "run.yaml:1:1: version: is missing, want version: 1"},
		{"version: 2\nnew_key: 1", "run.yaml:1:10: version: is 2, this lowrank reads version 1"},
		{"version: one", "run.yaml:1:10: version: is one, must be a whole number, in digits"},
		// whole numbers
		{"version: 1\nrank: 8.5", "run.yaml:2:7: rank: is 8.5, must be a whole number, in digits"},
		{"version: 1\nrank: 8.0", "run.yaml:2:7: rank: is 8.0, must be a whole number, in digits"},
		{"version: 1\nrank: 1e3", "run.yaml:2:7: rank: is 1e3, must be a whole number, in digits"},
		{"version: 1\nrank: 0x10", "run.yaml:2:7: rank: is 0x10, must be a whole number, in digits"},
		{"version: 1\nrank: 1_000", "run.yaml:2:7: rank: is 1_000, must be a whole number, in digits"},
		{"version: 1\nrank: \"8\"", "run.yaml:2:7: rank: is the text 8, must be a whole number, in digits"},
		{"version: 1\nrank: true", "run.yaml:2:7: rank: is true, must be a whole number, in digits"},
		{"version: 1\nrank: 99999999999999999999", "run.yaml:2:7: rank: 99999999999999999999 is too large"},
		{"version: 1\nrank: [8]", "run.yaml:2:7: rank: is a list, must be a whole number, in digits"},
		{"version: 1\nrank:", "run.yaml:2:7: rank: is without a value, must be a whole number, in digits"},
		{"version: 1\nrank: ~", "run.yaml:2:7: rank: is without a value, must be a whole number, in digits"},
		{"version: 1\nrank: 0", "run.yaml:2:7: rank: is 0, must be from 1 to 65536"},
		{"version: 1\nrank: -3", "run.yaml:2:7: rank: is -3, must be from 1 to 65536"},
		{"version: 1\ntrain: {seed: -1}", "run.yaml:2:15: train.seed: is -1, must be a whole number of at least 0, in digits"},
		// numbers
		{"version: 1\ntrain: {lr: .nan}", "run.yaml:2:13: train.lr: is .nan, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: nan}", "run.yaml:2:13: train.lr: is nan, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: .inf}", "run.yaml:2:13: train.lr: is .inf, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: Infinity}", "run.yaml:2:13: train.lr: is Infinity, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\ntrain: {lr: 1e999}", "run.yaml:2:13: train.lr: 1e999 is too large"},
		{"version: 1\ntrain: {lr: -1e-3}", "run.yaml:2:13: train.lr: is -0.001, must be more than 0 and at most 1e+06"},
		{"version: 1\ntrain: {lr: 0}", "run.yaml:2:13: train.lr: is 0, must be more than 0 and at most 1e+06"},
		{"version: 1\ndata: {held_out: 1}", "run.yaml:2:18: data.held_out: is 1, must be between 0 and 1"},
		{"version: 1\ntrain: {clip: -1}", "run.yaml:2:15: train.clip: is -1, must be a finite number of at least 0"},
		{"version: 1\ntrain: {batch: 100000}", "run.yaml:2:16: train.batch: 100000 sequences of 64 tokens are 6400000 in one pass, must be at most 1048576; accumulate takes several passes a step"},
		// text
		{"version: 1\ntrain: {schedule: cos}", `run.yaml:2:19: train.schedule: is "cos", must be constant, linear or cosine`},
		{"version: 1\nname: ../../etc", `run.yaml:2:7: name: is "../../etc", must be at most 100 letters, digits and _ . + - that do not start with . + or -`},
		{"version: 1\nname: |\n  a\n  b", "run.yaml:2:7: name: is text of several lines, must be text of one line"},
		{"version: 1\nbase: {dir: \"a\\nb\"}", `run.yaml:2:13: base.dir: is "a\nb", must be text of one line`},
		{"version: 1\nbase: [nf4]", "run.yaml:2:7: base: is a list, must be keys with values"},
		{"version: 1\nbase:", "run.yaml:2:7: base: is without a value, must be keys with values"},
		// method and targets
		{"version: 1\nmethod: {}", "run.yaml:2:9: method: must be the name of a method, or name at least one of the parts delta, init, update, rank, router"},
		{"version: 1\nmethod: ''", "run.yaml:2:9: method: must be the name of a method, or name at least one of the parts delta, init, update, rank, router"},
		{"version: 1\nmethod: [pissa]", "run.yaml:2:9: method: is a list, must be keys with values"},
		{"version: 1\nmethod: {init: {pissa: {iterations: four}}}", "run.yaml:2:37: method.init.pissa.iterations: is four, must be a finite number, as 0.001 or 1e-3"},
		{"version: 1\nmethod: {init: {pissa: {}, milora: {}}}", "run.yaml:2:16: method.init: has 2 methods, must be one, as {pissa: {iterations: 4}}"},
		{"version: 1\nmethod: {init: {pissa: 4}}", "run.yaml:2:24: method.init.pissa: is 4, must be keys with values"},
		{"version: 1\nmethod: {init: {'': {a: 1}}}", "run.yaml:2:16: method.init: has numbers but does not say of which method"},
		{"version: 1\ntargets: []", "run.yaml:2:10: targets: must be all-linear, a name, a list of names, or {regex: '…'}"},
		{"version: 1\ntargets: [q_proj, {a: b}]", "run.yaml:2:19: targets[1]: is keys with values, must be text of one line"},
		{"version: 1\ntargets: {regex: '('}", "run.yaml:2:18: targets.regex: \"(\": error parsing regexp: missing closing ): `(`"},
		{"version: 1\nprobe: {tier1: -3}", "run.yaml:2:16: probe.tier1: is -3, must be from 0 to 1e+09, or checkpoints"},
		{"version: 1\nprobe: {tier1: often}", "run.yaml:2:16: probe.tier1: is often, must be a whole number, in digits"},
		{"version: 1\nprobe: {tier1: \"5\"}", "run.yaml:2:16: probe.tier1: is the text 5, must be a number of steps, 0 for never, or checkpoints"},
		{"version: 1\nprobe: {tier4: 5}", "run.yaml:2:9: probe.tier4: unknown key; did you mean probe.tier0?"},
		{"version: 1\nprobe: {every: 5, tier1: 5}", "run.yaml:2:16: probe.every: stands beside probe.tier1: must be one; the tiers are the keys"},
		{"version: 1\nprobe: {every: -5}", "run.yaml:2:16: probe.every: is -5, must be from 0 to 1e+09"},
		// the file as a whole
		{"", "run.yaml: is empty, want a configuration that starts with version: 1"},
		{"# nothing\n\n", "run.yaml: is empty, want a configuration that starts with version: 1"},
		{"hello", "run.yaml:1:1: is hello, must be keys with values, as version: 1"},
		{"- version: 1", "run.yaml:1:1: is a list, must be keys with values, as version: 1"},
		{"version: 1\n---\nversion: 1", "run.yaml:2:1: a second document; a file holds one configuration"},
		{"version: 1\n...\nrank: 4", "run.yaml:3:1: a second document; a file holds one configuration"},
		{"%YAML 1.1\n---\nversion: 1", "run.yaml:1:1: directives (%) are not read"},
		{"version: &v 1\nrank: *v", "run.yaml:1:10: anchors (&) and aliases (*) are not read; quote the text if it is one"},
		{"version: 1\nname: *v", "run.yaml:2:7: anchors (&) and aliases (*) are not read; quote the text if it is one"},
		{"version: 1\n<<: {rank: 4}", "run.yaml:2:1: merge keys (<<) are not read"},
		{"version: !!int 1", "run.yaml:1:10: tags (!) are not read; quote the text if it is one"},
		{"version: 1\ntrain:\n\tlr: 1", "run.yaml:3:1: tab in the indentation; YAML wants spaces"},
		{"version: 1\ntrain:\n  \tlr: 1", "run.yaml:3:3: tab in the indentation; YAML wants spaces"},
		{"version: 1\nname: a\xffb", "run.yaml:2:8: byte 0xff is not UTF-8"},
		{"PK\x03\x04\x00", "run.yaml:1:3: control character U+0003"},
		{"version: 1\rrank: 2", "run.yaml:1:11: control character U+000D"},
		{"version: 1\n rank: 2", "run.yaml:1:10: mapping value is not allowed in this context"},
		{"version: 1\ntrain: {lr: 1", "run.yaml:2:8: could not find flow mapping end token '}'"},
		{"version: 1\nname: @x", "run.yaml:2:7: '@' is a reserved character"},
		{deep, "run.yaml:1:65: nested more than 64 deep"},
		{strings.Repeat("{a: ", 50_000), "run.yaml:1:257: nested more than 64 deep"},
		{strings.Repeat("- ", 100_000), "run.yaml:1:129: nested more than 64 deep"},
		{stairs(100), "run.yaml:65:65: nested more than 64 deep"},
		{"a: " + strings.Repeat("[],\n", 30_000), "run.yaml: has more than 20000 words and marks: not a configuration"},
		{"version: 1\nrank: " + strings.Repeat("9", 500), "run.yaml:2:7: rank: " + strings.Repeat("9", 60) + "… is too large"},
	} {
		_, err := ParseConfig("run.yaml", []byte(c.text))
		if err == nil {
			t.Errorf("%.60q: no error, want %q", c.text, c.want)
		} else if err.Error() != c.want {
			t.Errorf("%.60q:\nhave %s\nwant %s", c.text, err, c.want)
		}
	}
}

// stairs is a map in a map in a map.
func stairs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

// Every mark of YAML, repeated up to the largest file that is read, is answered
// with an error in bounded memory.
func TestParseConfigMemory(t *testing.T) {
	for _, unit := range []string{
		"[", "{", "- ", "-\n", "? ", ": ", "a: ", "a: {", "[a, ", "'", "\"", "\"\\", "&a ", "*a ", "!t ", "@", "`", "%",
		"|\n", ">\n", "a: |\n", "a\n", "a: b\n", "[]\n", "---\n", "...\n", "# c\n", "#", ", ", " ", "\n", "\\", "é", "0", "a",
	} {
		data := []byte(strings.Repeat(unit, maxConfigBytes/len(unit)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseConfig("run.yaml", data)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%q repeated: no error", unit)
		} else if strings.ContainsRune(err.Error(), '\n') || len(err.Error()) > 200 {
			t.Errorf("%q repeated: the error is not a short line: %.300q", unit, err)
		}
		// 256 Ki tokens of 250 bytes each, at worst.
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 80<<20 {
			t.Errorf("%q repeated: %d MiB allocated", unit, allocated>>20)
		}
	}
}

// What is not read from a file is validated too.
func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"train.lr: is NaN, must be more than 0 and at most 1e+06":    func(c *Config) { c.Train.LR = math.NaN() },
		"train.clip: is +Inf, must be a finite number of at least 0": func(c *Config) { c.Train.Clip = math.Inf(1) },
		"version: is 0, must be 1":                                   func(c *Config) { c.Version = 0 },
		"method.init: iterations is NaN, must be finite":             func(c *Config) { c.Method = Method{Init: Part{"pissa", map[string]float64{"iterations": math.NaN()}}} },
		"targets: name 2 is empty":                                   func(c *Config) { c.Targets = Targets{Names: []string{"q", ""}} },
	} {
		c := DefaultConfig()
		change(c)
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("have %v, want %s", err, want)
		}
	}
}
