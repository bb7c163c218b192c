"""Records what transformers computes for small random models of the BERT kin.

    python record.py

writes into testdata of nn/bert, nn/roberta and nn/distilbert:
weights.safetensors, the values of every tensor under its name without the
prefix of a bare model, and one file a case: inputs, loss, logits (of a model
without a head the last hidden state), hidden states and gradients. Metadata
hold as JSON the case's config.json, and the names and shapes of the checkpoint
that save_pretrained writes. A smaller head has the first rows of the larger. To keep
the files small, only the first two cases have the gradients of the blocks'
matrices. A second run writes the same bytes. Recorded with transformers 5.17, torch 2.11.
"""
import json
import os
import tempfile

import torch
import transformers as T
from safetensors import safe_open
from safetensors.torch import save_file

NN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
ROWS, TOKENS, VOCABULARY, IGNORED = 3, 9, 50, -100
BERT = dict(vocab_size=VOCABULARY, hidden_size=24, num_hidden_layers=2, num_attention_heads=4,
            intermediate_size=40, max_position_embeddings=20)
DISTILBERT = dict(vocab_size=VOCABULARY, dim=24, n_layers=2, n_heads=4, hidden_dim=40, max_position_embeddings=20)


def family(name, config, shape, pad, types, activation, **bare):
    """The cases of a family: head, padding on the left?, labels, configuration."""
    cls, lm = name + "ForSequenceClassification", name + "ForMaskedLM"
    cases = {
        "classification": (cls, False, "class", dict(num_labels=3)),
        "masked_lm": (lm, False, "token", {}),
        "masked_lm_untied": (lm, True, "token", {"tie_word_embeddings": False, activation: "gelu_new"}),
        "model": (name + "Model", True, None, bare),
        "multi_label": (cls, True, "several", {"num_labels": 3, "problem_type": "multi_label_classification", activation: "relu"}),
        "regression": (cls, False, "number", dict(num_labels=1)),
    }
    return dict(name=name.lower(), config=config, shape=shape, pad=pad, types=types, cases=cases)


FAMILIES = [
    family("Bert", T.BertConfig, dict(BERT, type_vocab_size=2), 0, 2, "hidden_act", layer_norm_eps=1e-2),
    family("Roberta", T.RobertaConfig, dict(BERT, type_vocab_size=1), 1, 1, "hidden_act", layer_norm_eps=1e-5, pad_token_id=3),
    family("DistilBert", T.DistilBertConfig, DISTILBERT, 0, 0, "activation", sinusoidal_pos_embds=True),
]


def save(tensors, path, metadata=None):
    save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, path, metadata)
    os.chmod(path, 0o644)


def labels_of(kind, ids, mask, g):
    if kind == "class":
        return torch.tensor([2, 0, 1])
    if kind == "several":
        return torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 0, 0]])
    if kind == "number":
        return torch.randn(ROWS, generator=g)
    labels = torch.randint(0, VOCABULARY, ids.shape, generator=g)
    return labels.masked_fill(mask * torch.randint(0, 2, ids.shape, generator=g) == 0, IGNORED)


def checkpoint(model):
    """config.json, and the shapes of the tensors that are stored."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        with open(os.path.join(folder, "config.json")) as f:
            config = json.load(f)
        with safe_open(os.path.join(folder, "model.safetensors"), "pt") as f:
            return dict(config=config, shapes={k: f.get_slice(k).get_shape() for k in f.keys()})


def record(f):
    g = torch.Generator().manual_seed(7)
    here = os.path.join(NN, f["name"], "testdata")
    bare = lambda name: name.removeprefix(f["name"] + ".")
    models, weights = {}, {}
    for case, (head, _, _, extra) in f["cases"].items():
        config = f["config"](**{**f["shape"], "pad_token_id": f["pad"], **extra})
        config._attn_implementation = "eager"
        models[case] = getattr(T, head)(config).eval()
        for name, p in models[case].named_parameters(remove_duplicate=False):
            have = weights.get(bare(name))
            if have is None or have.shape[0] < p.shape[0]:  # far from a fresh model: nothing is 0 or 1
                norm = "norm" in name.lower() and name.endswith("weight")
                weights[bare(name)] = norm + 0.3 * torch.randn(*p.shape, generator=g)
    save(weights, os.path.join(here, "weights.safetensors"))

    for number, (case, (_, left, kind, _)) in enumerate(f["cases"].items()):
        model, pad = models[case], models[case].config.pad_token_id
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.copy_(weights[bare(name)][: p.shape[0]])
        ids = torch.randint(pad + 1, VOCABULARY, (ROWS, TOKENS), generator=g)
        mask = torch.ones_like(ids)
        for row in range(1, ROWS):
            padding = slice(0, 2 * row) if left else slice(TOKENS - 2 * row, TOKENS)
            ids[row, padding], mask[row, padding] = pad, 0
        if kind is None:
            ids[0, 3] = pad  # in the midst, and seen
        inputs = dict(input_ids=ids, attention_mask=mask)
        if f["types"] and number % 2 == 0:  # without them, all are 0
            inputs["token_type_ids"] = torch.randint(0, f["types"], ids.shape, generator=g) * mask
        if kind:
            inputs["labels"] = labels_of(kind, ids, mask, g)
        out = model(**inputs, output_hidden_states=True)
        tensors = dict(inputs, logits=out.logits if kind else out.last_hidden_state)
        for i, h in enumerate(out.hidden_states):
            tensors[f"hidden_states.{i}"] = h
        if kind:
            tensors["loss"] = out.loss.reshape(1)
            out.loss.backward()
            for name, p in model.named_parameters():
                if p.grad is not None and (number < 2 or p.dim() == 1 or ".layer." not in name):
                    tensors["grad." + name] = p.grad
        save(tensors, os.path.join(here, case + ".safetensors"), {"case": json.dumps(checkpoint(model))})


torch.set_num_threads(1)
for f in FAMILIES:
    record(f)
