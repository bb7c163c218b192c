package experiments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/lowrank/lowrank/lora"
)

// ConfigVersion is the version of the configuration's form, its key "version".
const ConfigVersion = 1

// Config is the configuration of one training run. A file need hold only the
// version and what differs from DefaultConfig.
type Config struct {
	Version int     `yaml:"version" json:"version"`
	Name    string  `yaml:"name" json:"name"`
	Model   string  `yaml:"model" json:"model"`                  // a folder with config.json and model.safetensors; "": the study's own, pretrained once and cached
	Base    Base    `yaml:"base,omitempty" json:"base,omitzero"` // the format that its weights are kept in
	Task    string  `yaml:"task" json:"task"`                    // auto, or one of Tasks
	Data    Data    `yaml:"data" json:"data"`
	Method  Method  `yaml:"method" json:"method"`
	Rank    int     `yaml:"rank" json:"rank"`
	Alpha   float64 `yaml:"alpha" json:"alpha"`
	Dropout float64 `yaml:"dropout,omitempty" json:"dropout,omitempty"` // of the adapters' inputs, while they train
	Targets Targets `yaml:"targets" json:"targets"`
	// Other ranks and alphas for the maps whose whole name, or its end at a dot,
	// a key matches, a regular expression; the longest key that matches counts.
	RankPattern  Pattern[int]     `yaml:"rank_pattern,omitempty" json:"rank_pattern,omitempty"`
	AlphaPattern Pattern[float64] `yaml:"alpha_pattern,omitempty" json:"alpha_pattern,omitempty"`
	Exclude      Names            `yaml:"exclude,omitempty" json:"exclude,omitempty"` // of what targets selects
	Blocks       Numbers          `yaml:"blocks,omitempty" json:"blocks,omitempty"`   // in which alone targets selects
	Save         Names            `yaml:"save,omitempty" json:"save,omitempty"`       // modules that are trained whole beside the adapters
	Bias         string           `yaml:"bias,omitempty" json:"bias,omitempty"`       // biases that are trained: none, all or lora_only
	Train        Train            `yaml:"train" json:"train"`
	Eval         Eval             `yaml:"eval" json:"eval"`
	Probe        Probe            `yaml:"probe" json:"probe"`
	Checkpoint   Checkpoint       `yaml:"checkpoint" json:"checkpoint"`
}

// Data says what a run trains on and is measured by: examples of the user's
// own, in Train, or else the two texts of the study.
type Data struct {
	BaseText  string  `yaml:"base_text" json:"base_text"`   // file the base model is pretrained on; "": text of the Go installation
	AdaptText string  `yaml:"adapt_text" json:"adapt_text"` // file the model is adapted to; "": text of the Go installation
	MaxBytes  int64   `yaml:"max_bytes" json:"max_bytes"`   // of each text, from its start
	HeldOut   float64 `yaml:"held_out" json:"held_out"`     // fraction, from all over a text or the examples, that is only evaluated on

	Train  string `yaml:"train,omitempty" json:"train,omitempty"`   // .txt, .jsonl, .csv, .parquet, or a folder of .txt files or of images
	Eval   string `yaml:"eval,omitempty" json:"eval,omitempty"`     // likewise; "": held_out of train
	Text   string `yaml:"text,omitempty" json:"text,omitempty"`     // the columns; "": the first there is of those that are usual
	Pair   string `yaml:"pair,omitempty" json:"pair,omitempty"`     // a second text
	Label  string `yaml:"label,omitempty" json:"label,omitempty"`   // what a classifier is to say
	Target string `yaml:"target,omitempty" json:"target,omitempty"` // what a language model is to say
	Labels Names  `yaml:"labels,omitempty" json:"labels,omitempty"` // in the order of their numbers
}

// Train is the optimization of a run.
type Train struct {
	Steps       int     `yaml:"steps" json:"steps"`
	Batch       int     `yaml:"batch" json:"batch"`           // sequences of one forward pass
	Tokens      int     `yaml:"tokens" json:"tokens"`         // of each sequence
	Accumulate  int     `yaml:"accumulate" json:"accumulate"` // forward passes of one step
	LR          float64 `yaml:"lr" json:"lr"`                 // the highest learning rate
	Schedule    string  `yaml:"schedule" json:"schedule"`     // constant, linear or cosine
	Warmup      float64 `yaml:"warmup" json:"warmup"`         // fraction of the steps
	MinLR       float64 `yaml:"min_lr" json:"min_lr"`         // fraction of LR at the last step
	Clip        float64 `yaml:"clip" json:"clip"`             // largest norm of the gradient; 0: not clipped
	WeightDecay float64 `yaml:"weight_decay" json:"weight_decay"`
	Seed        uint64  `yaml:"seed" json:"seed"`

	GroupByLength bool `yaml:"group_by_length,omitempty" json:"group_by_length,omitempty"` // batches of texts of nearly one length
}

// Eval says how often, in steps, and on how many batches the held-out losses
// are measured. They always are before the first step and after the last one;
// 0: only then.
type Eval struct {
	Every   int `yaml:"every" json:"every"`
	Batches int `yaml:"batches" json:"batches"` // 0, which a file with data.train has unless it says otherwise: all that is held out
}

// Probe says how often the adapters are measured, by tiers of what that costs:
// norms and steps; spectra and the equivalent gradient; what needs passes over
// the probe batch; what needs many passes, or decompositions of whole weights.
type Probe struct {
	Tier0 Interval `yaml:"tier0" json:"tier0"`
	Tier1 Interval `yaml:"tier1" json:"tier1"`
	Tier2 Interval `yaml:"tier2" json:"tier2"`
	Tier3 Interval `yaml:"tier3" json:"tier3"`
	Every int      `yaml:"every,omitempty" json:"every,omitempty"` // formerly of tiers 0 and 1 alone, which is read still
}

// Checkpoint says how often, in steps, the run's state is saved, 0: only at the
// end; and whether, to save memory, a step keeps no activations of the blocks of
// the model but their outputs, and computes the others again for the gradients,
// which are the same. In a configuration, checkpoint: true is {blocks: true}.
type Checkpoint struct {
	Every  int  `yaml:"every" json:"every"`
	Blocks bool `yaml:"blocks,omitempty" json:"blocks,omitempty"`
}

// DefaultConfig is plain LoRA of rank 8 on all linear maps, for 200 steps.
func DefaultConfig() *Config {
	return &Config{
		Version: ConfigVersion,
		Task:    auto,
		Data:    Data{MaxBytes: 2_000_000, HeldOut: 0.1},
		Method:  Method{Name: "lora"},
		Rank:    8,
		Alpha:   8,
		Targets: Targets{AllLinear: true},
		Train: Train{
			Steps: 200, Batch: 8, Tokens: 64, Accumulate: 1,
			LR: 1e-3, Schedule: "cosine", Warmup: 0.03, MinLR: 0.1, Clip: 1, Seed: 1,
		},
		Eval:       Eval{Every: 50, Batches: 8},
		Probe:      Probe{Tier0: 1, Tier1: 10, Tier2: 100, Tier3: AtCheckpoints},
		Checkpoint: Checkpoint{Every: 100},
	}
}

// ReadConfig reads and validates the configuration file path. An error is one
// line that starts with the path and, if it is about a place in the file, the
// line and the column.
func ReadConfig(path string) (*Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // reading a pipe could wait for ever
		return nil, fmt.Errorf("%s: is a %s, want a file", path, kindOf(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1)) // the file may grow after Stat
	if err != nil {
		return nil, err
	}
	return ParseConfig(path, data)
}

func kindOf(m os.FileMode) string {
	if m.IsDir() {
		return "folder"
	}
	return "device or pipe"
}

// ParseConfig parses and validates a configuration in YAML (or JSON, of which
// YAML is a superset). name stands for the file in errors, which are one line:
// "run.yaml:7:3: train.lrr: unknown key; did you mean train.lr?".
func ParseConfig(name string, data []byte) (*Config, error) {
	root, err := parseYAML(name, data)
	if err != nil {
		return nil, err
	}
	c := DefaultConfig()
	d := newDecoder(name, c)
	if err := d.version(root); err != nil {
		return nil, err
	}
	if err := d.decode(root, c); err != nil {
		return nil, err
	}
	if err := c.settle(func(field string) bool { return d.where[field] != nil }); err != nil {
		return nil, d.locate(err)
	}
	if err := c.Validate(); err != nil {
		return nil, d.locate(err)
	}
	return c, nil
}

// settle moves what stands in its former place, and makes what follows from
// other keys.
func (c *Config) settle(set func(field string) bool) error {
	if c.Base.Dir != "" {
		if c.Model != "" {
			return &fieldError{"base.dir", fmt.Sprintf("is %q, and model is %q: must be one; model is the key", c.Base.Dir, c.Model)}
		}
		c.Model = c.Base.Dir
	}
	c.Base.Dir = ""
	if c.Data.Train != "" && !set("eval.batches") {
		c.Eval.Batches = 0
	}
	return c.Probe.settle(set)
}

// settle makes tiers of what was one interval.
func (p *Probe) settle(set func(field string) bool) error {
	if !set("probe.every") {
		return nil
	}
	for tier := range p.intervals() {
		if field := fmt.Sprintf("probe.tier%d", tier); set(field) {
			return &fieldError{"probe.every", "stands beside " + field + ": must be one; the tiers are the keys"}
		}
	}
	if p.Every < 0 || p.Every > 1e9 {
		return &fieldError{"probe.every", fmt.Sprintf("is %d, must be from 0 to 1e+09", p.Every)}
	}
	*p = Probe{Tier0: Interval(p.Every), Tier1: Interval(p.Every)}
	return nil
}

// YAML is the configuration in the form ReadConfig reads, every key written.
func (c *Config) YAML() ([]byte, error) { return yaml.Marshal(c) }

// UnmarshalJSON reads a configuration from JSON by the rules of ParseConfig.
func (c *Config) UnmarshalJSON(data []byte) error {
	var compact bytes.Buffer // without tabs, which are YAML's enemies
	if err := json.Compact(&compact, data); err != nil {
		return err
	}
	parsed, err := ParseConfig("config", compact.Bytes())
	if err != nil {
		return err
	}
	*c = *parsed
	return nil
}

// fieldError says what is wrong with the value of a field, by its dotted key.
type fieldError struct{ field, problem string }

func (e *fieldError) Error() string { return e.field + ": " + e.problem }

// maxTokensPerPass bounds train.batch × train.tokens, since memory grows with
// their product and no error could be given when it is exhausted.
const maxTokensPerPass = 1 << 20

var runName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$`)

// Validate checks every range, and that names can be names of folders. It does
// not know which methods and layers there are. The error names the first bad
// field.
func (c *Config) Validate() error {
	const inf = math.MaxFloat64 // a value must be finite too
	fewest := 1.0
	if c.Data.Train != "" {
		fewest = 0
	}
	for _, f := range []struct {
		field    string
		value    float64
		low      float64
		high     float64
		openLow  bool // low itself is not allowed
		openHigh bool
	}{
		{field: "version", value: float64(c.Version), low: ConfigVersion, high: ConfigVersion},
		{field: "data.max_bytes", value: float64(c.Data.MaxBytes), low: 1, high: 1 << 40},
		{field: "data.held_out", value: c.Data.HeldOut, low: 0, high: 1, openLow: true, openHigh: true},
		{field: "rank", value: float64(c.Rank), low: 1, high: 1 << 16},
		{field: "alpha", value: c.Alpha, low: 0, high: 1e9, openLow: true},
		{field: "train.steps", value: float64(c.Train.Steps), low: 1, high: 1e9},
		{field: "train.batch", value: float64(c.Train.Batch), low: 1, high: maxTokensPerPass},
		{field: "train.tokens", value: float64(c.Train.Tokens), low: 2, high: maxTokensPerPass},
		{field: "train.accumulate", value: float64(c.Train.Accumulate), low: 1, high: 1e6},
		{field: "train.lr", value: c.Train.LR, low: 0, high: 1e6, openLow: true},
		{field: "train.warmup", value: c.Train.Warmup, low: 0, high: 1},
		{field: "train.min_lr", value: c.Train.MinLR, low: 0, high: 1},
		{field: "train.clip", value: c.Train.Clip, low: 0, high: inf},
		{field: "train.weight_decay", value: c.Train.WeightDecay, low: 0, high: 1e6},
		{field: "eval.every", value: float64(c.Eval.Every), low: 0, high: 1e9},
		{field: "eval.batches", value: float64(c.Eval.Batches), low: fewest, high: 1e6},
		{field: "checkpoint.every", value: float64(c.Checkpoint.Every), low: 0, high: 1e9},
	} {
		inside := f.value >= f.low && f.value <= f.high && // false for NaN
			!(f.openLow && f.value == f.low) && !(f.openHigh && f.value == f.high)
		if !inside {
			return &fieldError{f.field, fmt.Sprintf("is %v, must be %s", f.value, interval(f.low, f.high, f.openLow, f.openHigh))}
		}
	}
	if c.Train.Batch*c.Train.Tokens > maxTokensPerPass {
		return &fieldError{"train.batch", fmt.Sprintf("%d sequences of %d tokens are %d in one pass, must be at most %d; accumulate takes several passes a step",
			c.Train.Batch, c.Train.Tokens, c.Train.Batch*c.Train.Tokens, maxTokensPerPass)}
	}
	for tier, every := range c.Probe.intervals() {
		if err := every.validate(fmt.Sprintf("probe.tier%d", tier)); err != nil {
			return err
		}
	}
	switch c.Train.Schedule {
	case "constant", "linear", "cosine":
	default:
		return &fieldError{"train.schedule", fmt.Sprintf("is %q, must be constant, linear or cosine", c.Train.Schedule)}
	}
	if !(c.Dropout >= 0 && c.Dropout < 1) {
		return &fieldError{"dropout", fmt.Sprintf("is %v, must be at least 0 and below 1", c.Dropout)}
	}
	if c.Name != "" && !runName.MatchString(c.Name) {
		return &fieldError{"name", fmt.Sprintf("is %q, must be at most 100 letters, digits and _ . + - that do not start with . + or -", c.Name)}
	}
	if err := c.Base.validate(); err != nil {
		return err
	}
	if err := c.Method.validate(); err != nil {
		return err
	}
	if err := c.RankPattern.validate("rank_pattern"); err != nil {
		return err
	}
	if err := c.AlphaPattern.validate("alpha_pattern"); err != nil {
		return err
	}
	if err := c.Targets.validate(); err != nil {
		return err
	}
	return c.validateExamples()
}

// validateExamples checks what belongs to examples of the user's own.
func (c *Config) validateExamples() error {
	if c.Task != auto && !slices.Contains(Tasks, c.Task) {
		return &fieldError{"task", fmt.Sprintf("is %q, must be %s or one of %s", c.Task, auto, strings.Join(Tasks, ", "))}
	}
	switch lora.Biases(c.Bias) {
	case "", lora.NoBiases, lora.AllBiases, lora.AdaptedBiases:
	default:
		return &fieldError{"bias", fmt.Sprintf("is %q, must be %s, %s or %s", c.Bias, lora.NoBiases, lora.AllBiases, lora.AdaptedBiases)}
	}
	for _, f := range []struct {
		field string
		names Names
	}{{"exclude", c.Exclude}, {"save", c.Save}, {"data.labels", c.Data.Labels}} {
		for i, name := range f.names {
			if name == "" || slices.Contains(f.names[:i], name) {
				return &fieldError{f.field, fmt.Sprintf("name %d is empty or stands there twice", i+1)}
			}
		}
	}
	d := c.Data
	if d.Train == "" {
		for _, f := range [][2]string{{"eval", d.Eval}, {"text", d.Text}, {"pair", d.Pair}, {"label", d.Label}, {"target", d.Target}, {"labels", strings.Join(d.Labels, "")}} {
			if f[1] != "" {
				return &fieldError{"data." + f[0], "needs data.train"}
			}
		}
		if c.Train.GroupByLength {
			return &fieldError{"train.group_by_length", "needs data.train: the texts of the study are cut into windows of one length"}
		}
		if c.Task != auto {
			return &fieldError{"task", "needs data.train: the texts of the study are for the task of its own model"}
		}
		return nil
	}
	switch {
	case c.Model == "":
		return &fieldError{"data.train", "needs model: the study's own model has no tokenizer"}
	case d.BaseText != "":
		return &fieldError{"data.base_text", "is the study's; with data.train there is no other text"}
	case d.AdaptText != "":
		return &fieldError{"data.adapt_text", "is the study's; with data.train there is no other text"}
	}
	return nil
}

// interval writes a range as a person would say it.
func interval(low, high float64, openLow, openHigh bool) string {
	switch {
	case low == high:
		return fmt.Sprintf("%v", low)
	case high == math.MaxFloat64:
		return fmt.Sprintf("a finite number of at least %v", low)
	case openLow && openHigh:
		return fmt.Sprintf("between %v and %v", low, high)
	case openLow:
		return fmt.Sprintf("more than %v and at most %v", low, high)
	default:
		return fmt.Sprintf("from %v to %v", low, high)
	}
}
