"""Records the tests' references with transformers 5.17: record.py FIXTURES, where
FIXTURES/gpt2_lm is a recorded GPT2LMHeadModel, which testdata/lm holds with
every seventh value of its gradients, for the size of the files;
testdata/classifier is a GPT2ForSequenceClassification made here."""
import os, shutil, sys
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2ForSequenceClassification

here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(f"{here}/lm", exist_ok=True)
for name in ("config.json", "model.safetensors", "inputs.safetensors", "info.json"):
    shutil.copyfile(f"{sys.argv[1]}/gpt2_lm/{name}", f"{here}/lm/{name}")
record = load_file(f"{sys.argv[1]}/gpt2_lm/base_outputs.safetensors")
record = {n: x.flatten()[::7].clone() if n.startswith("grad.") else x for n, x in record.items()}
save_file(record, f"{here}/lm/base_outputs.safetensors")

torch.manual_seed(1)
pad = 3
model = GPT2ForSequenceClassification(GPT2Config(
    vocab_size=30, n_positions=12, n_embd=8, n_layer=2, n_head=2, n_inner=20, activation_function="relu",
    scale_attn_by_inverse_layer_idx=True, pad_token_id=pad, num_labels=3, bos_token_id=0, eos_token_id=0,
    attn_implementation="eager", problem_type="single_label_classification")).eval()
for p in model.parameters():
    p.data = 0.4 * torch.randn_like(p) + (p.dim() == 1)
model.save_pretrained(f"{here}/classifier")

ids = torch.randint(4, 30, (3, 9))
mask = torch.ones_like(ids)
for row, end in enumerate((9, 6, 1)):  # padded on the right
    ids[row, end:], mask[row, end:] = pad, 0
inputs = dict(input_ids=ids, attention_mask=mask, token_type_ids=torch.randint(4, 30, (3, 9)), labels=torch.tensor([2, 0, 1]))
save_file(inputs, f"{here}/classifier/inputs.safetensors")
out = model(**inputs, output_hidden_states=True)
out.loss.backward()
record = {"loss": out.loss.reshape(1), "logits": out.logits}
record |= {f"hidden_states.{i}": h for i, h in enumerate(out.hidden_states)}
record |= {f"grad.{n}": p.grad for n, p in model.named_parameters()}
save_file({n: x.detach().contiguous() for n, x in record.items()}, f"{here}/classifier/base_outputs.safetensors")
