package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lowrank/lowrank/experiments/record"
)

// two methods with two seeds each, of which values are known: 10·seed + layer +
// step, and for the second method 100 more.
func known() Study {
	s := Study{}
	for m, name := range []string{"lora", "pissa"} {
		for seed := range 2 {
			s.Runs = append(s.Runs, &record.Run{ID: fmt.Sprintf("%s_%d", name, seed), Status: record.Done, LR: 0.1, Seed: uint64(seed), Method: record.Method{Name: name},
				Eval: record.Eval{"adapt_after": float64(m)}})
		}
	}
	s.Metrics = func(r *record.Run) ([]record.Metric, error) {
		var rows []record.Metric
		base := 10 * float64(r.Seed)
		if r.Method.Name == "pissa" {
			base += 100
		}
		for step := 1; step <= 2; step++ {
			for layer := range 3 {
				v := base + float64(layer+step)
				rows = append(rows, record.Metric{Step: step, Layer: fmt.Sprintf("l.%d.q", layer), Name: "rank", Value: v},
					record.Metric{Step: step, Layer: fmt.Sprintf("l.%d.q", layer), Name: "sigma_1", Value: v}, record.Metric{Step: step, Layer: fmt.Sprintf("l.%d.q", layer), Name: "sigma_2", Value: v / 2})
			}
			rows = append(rows, record.Metric{Step: step, Name: "loss", Value: base + float64(step)})
		}
		return rows, nil
	}
	return s
}

func every(string) bool { return true }

func TestDrawLines(t *testing.T) {
	d, err := Draw(known(), Selection{Metric: "rank", Unit: "rank", Layers: every})
	require.NoError(t, err)
	assert.Equal(t, []string{"method", "step", "median", "lowest_seed", "highest_seed", "seeds"}, d.Columns)
	// The middle layer of three; 0 and 10 of the seeds.
	assert.Equal(t, []string{"lora", "1", "7", "2", "12", "2"}, d.Rows[0])
	assert.Equal(t, []string{"pissa", "2", "108", "103", "113", "2"}, d.Rows[3])
	assert.Equal(t, 2, strings.Count(d.SVG, `class="b"`), "bands")

	all, err := Draw(known(), Selection{Metric: "rank", Unit: "rank"}) // which the model has not
	require.NoError(t, err)
	assert.Equal(t, d.Rows, all.Rows)

	d, err = Draw(known(), Selection{Metric: "loss"})
	require.NoError(t, err)
	assert.Equal(t, []string{"lora", "2", "7", "2", "12", "2"}, d.Rows[1])

	d, err = Draw(known(), Selection{Metric: "sigma_2", Layers: func(l string) bool { return l == "l.2.q" }})
	require.NoError(t, err)
	assert.Equal(t, []string{"lora", "1", "4", "1.5", "6.5", "2"}, d.Rows[0])
}

func TestDrawHeat(t *testing.T) {
	s := known()
	s.Runs = s.Runs[1:2]
	d, err := Draw(s, Selection{Metric: "rank", Layers: every})
	require.NoError(t, err)
	assert.Equal(t, []string{"lora_1", "l.0.q", "rank", "1", "11"}, d.Rows[0])
	assert.Len(t, d.Rows, 6)
	assert.GreaterOrEqual(t, strings.Count(d.SVG, `class="cell"`), 6)

	d, err = Draw(s, Selection{Metric: "sigma", Layers: every})
	require.NoError(t, err)
	assert.Equal(t, []string{"lora_1", "l.2.q", "sigma_2", "2", "7"}, d.Rows[11])

	var b bytes.Buffer
	require.NoError(t, d.CSV(&b))
	rows, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, 13)
	_, err = strconv.ParseFloat(rows[1][4], 64)
	assert.NoError(t, err)
}

func TestDrawErrors(t *testing.T) {
	for _, c := range []struct {
		s    Selection
		want string
	}{
		{Selection{Metric: "none", Layers: every}, `metric "none" was not recorded; there are, nearest first: rank, loss, sigma_1, sigma_2`},
		{Selection{Metric: "lss"}, `metric "lss" was not recorded; there are, nearest first: loss, `},
		{Selection{Metric: "rank", Layers: func(string) bool { return false }}, "there are: l.0.q, l.1.q, l.2.q"},
		{Selection{Metric: "sigma", Layers: every}, "sigma_1"},
	} {
		_, err := Draw(known(), c.s)
		assert.ErrorContains(t, err, c.want)
	}
}
