package probe

// Forgetting is how a model with its adapters does on text of the kind that its
// base was made for, against the base itself.
type Forgetting struct {
	Loss, Base float64 // mean losses of a label
	KL         float64 // mean over labels of KL(base ‖ adapted)
}

// forgotten visits the lab for it, once a measurement.
func (p *Probe) forgotten() (*Forgetting, error) {
	return p.lost.get(p.tick, func(f *Forgetting) (err error) {
		if p.Lab == nil || p.Lab.Forgetting == nil {
			return noGeneral
		}
		*f, err = p.Lab.Forgetting()
		return err
	})
}

const (
	noGeneral Undefined = "there is no text of the base's own kind"
	noRay     Undefined = "weights along a ray were not lent"
)

// ofForgetting makes a metric of it.
func ofForgetting(m Metric, of func(f *Forgetting) float64) Metric {
	m.Source = "arXiv 2405.09673"
	m.Gauge, m.Rescaling, m.Cost, m.Tier = Invariant, Unsettled, "forward passes of model and base", 3
	m.model = func(p *Probe) (float64, error) {
		f, err := p.forgotten()
		return of(f), err
	}
	return m
}

var (
	forgetting = ofForgetting(Metric{Name: "forgetting", Definition: "mean loss of a label on held-out text of the base's own kind, less the base's", Unit: "loss", Range: "(-∞, ∞)"},
		func(f *Forgetting) float64 { return f.Loss - f.Base })
	baseKL = ofForgetting(Metric{Name: "base_kl", Definition: "mean KL divergence of the model's predictions from the base's on that text, KL(base ‖ adapted)", Unit: "nat", Range: "[0, ∞)"},
		func(f *Forgetting) float64 { return f.KL })
)

// Ray are the t at which losses along W0 + t·ΔW are measured.
var Ray = []float64{0, 0.25, 0.5, 0.75, 1}

// losses along the ray are one measurement.
func (p *Probe) losses() ([]float64, error) {
	losses, err := p.ray.get(p.tick, func(losses *[]float64) error {
		*losses = (*losses)[:0]
		if p.Lab == nil || p.Lab.Ray == nil {
			return noRay
		}
		for _, t := range Ray {
			loss, err := p.Lab.Ray(t)
			if err != nil {
				return err
			}
			*losses = append(*losses, loss)
		}
		return nil
	})
	return *losses, err
}

// ofRay makes the metrics of the losses along the ray.
func ofRay() []Metric {
	var all []Metric
	for i, name := range []string{"ray_loss_0", "ray_loss_25", "ray_loss_50", "ray_loss_75", "ray_loss_100"} {
		all = append(all, Metric{
			Name: name, Definition: "loss over the probe batch with the weights W0 + t·(W' − W0), t = " + name[len("ray_loss_"):] + " %", Source: "arXiv 1412.6544",
			Unit: "loss", Range: "(-∞, ∞)", Gauge: Invariant, Rescaling: Unsettled, Cost: "a forward pass, and merging", Tier: 3,
			model: func(p *Probe) (float64, error) {
				losses, err := p.losses()
				if err != nil {
					return 0, err
				}
				return losses[i], nil
			},
		})
	}
	return all
}
