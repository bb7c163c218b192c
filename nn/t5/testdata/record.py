"""Records the tests' references with transformers 5.17: record.py FIXTURES, where
FIXTURES/t5_s2s is a recorded T5ForConditionalGeneration of v1.0, which
testdata/base holds with every seventh value of its gradients, for the size of
the files; testdata/gated is one of v1.1 made here."""
import os, shutil, sys
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5ForConditionalGeneration

here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(f"{here}/base", exist_ok=True)
for name in ("config.json", "model.safetensors", "inputs.safetensors", "info.json"):
    shutil.copyfile(f"{sys.argv[1]}/t5_s2s/{name}", f"{here}/base/{name}")
record = load_file(f"{sys.argv[1]}/t5_s2s/base_outputs.safetensors")
record = {n: x.flatten()[::7].clone() if n.startswith("grad.") else x for n, x in record.items()}
save_file(record, f"{here}/base/base_outputs.safetensors")

torch.manual_seed(2)
model = T5ForConditionalGeneration(T5Config(
    vocab_size=20, d_model=8, d_kv=4, d_ff=10, num_heads=3, num_layers=2, num_decoder_layers=1,
    relative_attention_num_buckets=8, relative_attention_max_distance=10, feed_forward_proj="gated-gelu",
    tie_word_embeddings=False, decoder_start_token_id=2, pad_token_id=0, attn_implementation="eager")).eval()
model.lm_head.weight = torch.nn.Parameter(torch.zeros(20, 8))  # transformers ties it, checkpoints of v1.1 do not
for p in model.parameters():
    p.data = 0.4 * torch.randn_like(p) + (p.dim() == 1)
model.save_pretrained(f"{here}/gated")
os.remove(f"{here}/gated/generation_config.json")

# Longer than the largest distance; padded on the left in one row, on the right in another.
ids, labels = torch.randint(3, 20, (3, 14)), torch.randint(3, 20, (3, 13))
mask = torch.ones_like(ids)
mask[1, :4], mask[2, 9:] = 0, 0
ids[mask == 0], labels[2, 5:7] = 0, -100
inputs = dict(input_ids=ids, attention_mask=mask, labels=labels)
save_file(inputs, f"{here}/gated/inputs.safetensors")
out = model(**inputs, output_hidden_states=True)
out.loss.backward()
record = {"loss": out.loss.reshape(1), "logits": out.logits}
record |= {f"encoder_hidden_states.{i}": h for i, h in enumerate(out.encoder_hidden_states)}
record |= {f"decoder_hidden_states.{i}": h for i, h in enumerate(out.decoder_hidden_states)}
record |= {f"grad.{n}": p.grad for n, p in model.named_parameters()}
save_file({n: x.detach().contiguous() for n, x in record.items()}, f"{here}/gated/base_outputs.safetensors")
