"""Records what package analyze is compared with: a small Llama, two adapters made
by PEFT 0.21 (one with rsLoRA, rank_pattern and alpha_pattern), their metrics by
numpy's dense decompositions in float64, and the intruder dimensions that PEFT's
reduce_intruder_dimension finds.

    python record.py        in this folder, with torch, transformers and peft
"""

import json
import re

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora.intruders import reduce_intruder_dimension
from transformers import LlamaConfig, LlamaForCausalLM

MAPS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def base():
    """A model whose weights have graded spectra, as trained ones do."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                                         num_key_value_heads=2, vocab_size=64, tie_word_embeddings=False))
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() == 2:
                u, s, v = torch.linalg.svd(p, full_matrices=False)
                p.copy_(4 * u @ torch.diag(s * torch.linspace(1, 0.3, len(s)) ** 2) @ v)
    model.save_pretrained("base")


def adapt(name, config):
    model = get_peft_model(LlamaForCausalLM.from_pretrained("base"), config)
    g = torch.Generator().manual_seed(len(name))
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_" in n:
                p.copy_(torch.randn(p.shape, generator=g) * torch.linspace(0.14, 0.05, p.shape[0 if "lora_A" in n else 1]).reshape((-1, 1) if "lora_A" in n else (1, -1)))
    model.save_pretrained(name)
    return model


def measure(w0, a, b, s):
    dw = s * b @ a
    r = len(a)
    u, sigma, v = np.linalg.svd(dw, full_matrices=False)
    u, sigma, v = u[:, :r], sigma[:r], v[:r]
    p = sigma / sigma.sum()
    energy = np.cumsum(sigma**2)
    u0, _, v0 = np.linalg.svd(w0, full_matrices=False)
    u1, s1, _ = np.linalg.svd(w0 + dw, full_matrices=False)
    cosines = np.abs(u1.T @ u0).max(1)[:10]
    sa, sb = np.linalg.svd(a, compute_uv=False), np.linalg.svd(b, compute_uv=False)
    values = {
        "frobenius_norm": np.linalg.norm(dw), "spectral_norm": sigma[0], "nuclear_norm": sigma.sum(),
        "effective_rank": np.exp(-(p * np.log(p)).sum()), "stable_rank": energy[-1] / sigma[0] ** 2,
        "participation_ratio": energy[-1] ** 2 / (sigma**4).sum(), "energy_rank_95": np.searchsorted(energy, 0.95 * energy[-1]) + 1,
        "condition_a": sa[0] / sa[-1], "condition_b": sb[0] / sb[-1], "balance": np.linalg.norm(b.T @ b - a @ a.T),
        "relative_norm": np.linalg.norm(dw) / np.linalg.norm(w0),
        "amplification": np.linalg.norm(dw) / np.linalg.norm(u.T @ w0 @ v.T),
        "overlap_top_left": np.linalg.norm(u0[:, :r].T @ u) ** 2 / r, "overlap_top_right": np.linalg.norm(v0[:r] @ v.T) ** 2 / r,
        "overlap_bottom_left": np.linalg.norm(u0[:, -r:].T @ u) ** 2 / r, "overlap_bottom_right": np.linalg.norm(v0[-r:] @ v.T) ** 2 / r,
        "intruders": (cosines < 0.5).sum(), "intruder_energy": s1[:10][cosines < 0.5].sum() / s1[:10].sum(),
    }
    values |= {f"sigma_{i + 1}": x for i, x in enumerate(sigma)}
    values |= {f"intruder_cosine_{i + 1}": x for i, x in enumerate(cosines)}
    return {k: float(x) for k, x in values.items()}


def record(name, config, other):
    model = adapt(name, config)
    found = {}

    def log(line):
        if m := re.match(r"base_model\.model\.(.*): (?:No intruders|Intruders: (\d+))", line):
            found[m[1]] = int(m[2] or 0)

    values = {}
    for n, layer in model.base_model.model.named_modules():
        if hasattr(layer, "lora_A"):
            w0, a, b = (x.detach().double().numpy() for x in (layer.base_layer.weight, layer.lora_A["default"].weight, layer.lora_B["default"].weight))
            s = layer.scaling["default"]
            values[n] = measure(w0, a, b, s)
            if other is not None:
                values[n] |= between(s * b @ a, *other[n])
            values[n]["dw"] = s * b @ a, len(a)
    reduce_intruder_dimension(model, logging_sink=log)
    for n, count in found.items():
        assert count == values[n]["intruders"], (n, count, values[n]["intruders"])
    assert found.keys() == values.keys()
    return values


def between(dw, other, r):
    """Of the other adapter, which is given first, with this one."""
    (u, s, v), (u1, s1, v1) = np.linalg.svd(other), np.linalg.svd(dw)
    q = int((s1 > 1e-7 * s1[0]).sum())
    u, v, u1, v1 = u[:, :r], v[:r], u1[:, :q], v1[:q]
    angle = lambda x: np.arccos(np.clip(np.linalg.svd(x, compute_uv=False), 0, 1))
    left, right = angle(u.T @ u1), angle(v @ v1.T)
    k = min(r, q)
    values = {
        "cosine": (dw * other).sum() / np.linalg.norm(dw) / np.linalg.norm(other),
        "interference": np.linalg.norm(u1.T @ other @ v1.T) / np.linalg.norm(other),
        "overlap_left": (np.cos(left) ** 2).sum() / k, "overlap_right": (np.cos(right) ** 2).sum() / k,
        "grassmann_left": np.linalg.norm(left), "grassmann_right": np.linalg.norm(right),
        "checkpoint_step": np.linalg.norm(dw - other),
    }
    values |= {f"angle_left_{i + 1}": x for i, x in enumerate(left)} | {f"angle_right_{i + 1}": x for i, x in enumerate(right)}
    return {"between " + k: float(x) for k, x in values.items()}


base()
first = record("plain", LoraConfig(r=4, lora_alpha=8, target_modules=MAPS), None)
dw = {n: x.pop("dw") for n, x in first.items()}
second = record("patterns", LoraConfig(r=4, lora_alpha=4, use_rslora=True, target_modules=MAPS,
                                       rank_pattern={"q_proj": 2, "layers.1.mlp.down_proj": 6}, alpha_pattern={"v_proj": 3}), dw)
for x in second.values():
    x.pop("dw")
with open("expected.json", "w") as f:
    json.dump({"plain": first, "patterns": second}, f, indent=1)
print({n: int(x["intruders"]) for n, x in first.items()}, {n: int(x["intruders"]) for n, x in second.items()})
