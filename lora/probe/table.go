package probe

import (
	"slices"
	"strings"
)

// Metrics lists what a probe measures. ΔW is W' − W0 after the step, without
// DoRA's gain, and the mean over the tokens of the batch where experts are
// weighed by gates; A, B are the factors of these names after the step; gA and
// gB their gradients, g̃ = s·(B·gA + gB·A), and G the gradient of the full
// weight, before it. Norms without a word are Frobenius norms.
//
// Not reported: ΔW and update of whole-weight forms (full fine-tuning, HiRA)
// unless Dense is set; g̃ and what needs G where the form is not s·B·A of the
// trained factors themselves (AdaLoRA, VeRA, HiRA, full, gated maps); of a
// frozen A all but its norm; ratios to zero. [Probe.Undefined] tells.
func Metrics() []Metric { return slices.Clone(table) }

// table is the one table of metrics: a new one is its value and a row here.
var table = slices.Concat(
	[]Metric{
		normA, normB, gradNormA, gradNormB, stepNormA, stepNormB, updateNorm, predictedDecrease,
		sigma,
	},
	ofShapes("", "ΔW", 1, (*layer).ofNet),
	[]Metric{rankUsage, energyUsage},
	ofShapes("adapter_", "s·B·A", 1, (*layer).ofAdapter),
	[]Metric{
		conditionA, conditionB, componentUsage, sharpnessA, sharpnessB, balance, balanceDrift, relativeStepA, relativeStepB,
		relativeUpdateNorm, updateShare, updateEffectiveRank, updateSigma,
		displacement, pathLength, pathEfficiency, updateCosine,
		equivalentGradientNorm, gradientInner, bestStepScale, capturedGradientNorm, alignment, updateAlignment,
		gradientEffectiveRankA, gradientEffectiveRankB,
		rankNow, rankPruned, rankGrown, totalRank,
		load, loadEntropy, specialisation, expertOverlapA, expertOverlapB,
		gradientNorm, gradientNormError, gradientSignal, gradientVariance, gradientNoiseScale, modelNoiseScale,
		capturedEnergy, gradientGap, rawGradientGap, equivalentGradientRank, stepCosine, trustRatio, rmsZ, rmsBase, functionalDrift,
	},
	ofFeatures(),
	angleStep, angleStart, distanceStep, distanceStart, chordalStep, chordalStart, overlapGradient,
	overlapTop, overlapTop4, overlapBottom,
	[]Metric{
		amplification, intruders, intrudersNot, intrudersUndecided, intruderEnergy,
		dimensionalityLow, dimensionalityHigh, gradientUsage, magnitudeChange, directionChange, magnitudeSlope, magnitudeCorrelation,
	},
	[]Metric{sharpness, sharpnessError, sharpnessIterations, sharpnessSeed, forgetting, baseKL},
	ofRay(),
)

// renamed writes another matrix for ΔW in a definition.
func renamed(definition, of string) string { return strings.ReplaceAll(definition, "ΔW", of) }
