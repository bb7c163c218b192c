"""PyTorch, transformers and PEFT as a peer that makes training steps.

A question is a line of JSON: "do" names a function of this file, the other keys
are its arguments. The answer is what it returns, or {"error": text}.
"""
import json
import resource
import sys
import time

import peft
import torch
import transformers


def about():
    return {"version": f"PyTorch {torch.__version__}, transformers {transformers.__version__}, PEFT {peft.__version__}"}


class Training:
    """A model on one batch, and what trains it."""

    def __init__(self, base, adapter, trained, frozen, ids, labels, lr, decay, clip, compile):
        name = transformers.AutoConfig.from_pretrained(base).architectures[0]
        self.model = getattr(transformers, name).from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa")
        self.model.config.use_cache = False  # of generation
        if adapter:
            self.model = peft.PeftModel.from_pretrained(self.model, adapter, is_trainable=True)
            for name, p in self.model.named_parameters():
                if frozen and frozen in name:
                    p.requires_grad_(False)
        else:
            for name, p in self.model.named_parameters():
                p.requires_grad_(name in trained)
        self.model.train()  # every dropout is 0
        # A PeftModel without a task goes past its tuner, and past AdaLoRA's penalty with it.
        self.run = self.model.base_model if adapter else self.model
        if compile:
            self.run = torch.compile(self.run)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=lr, weight_decay=decay, fused=True)  # Trainer's
        self.batch = {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels)}
        self.clip, self.steps = clip, 0
        self.allocate = getattr(self.model.base_model, "update_and_allocate", None) if adapter else None  # AdaLoRA's

    def step(self):
        self.steps += 1
        loss = self.run(**self.batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        if self.allocate:
            self.allocate(self.steps)
        self.optimizer.zero_grad()
        return loss.item()


def prepare(threads, **of):
    global training
    torch.set_num_threads(threads)
    training = Training(**of)
    return {"trained": sum(p.numel() for p in training.parameters)}


def losses(steps):
    """The losses before so many updates, and when the first was made."""
    first = training.step()
    at = time.time()
    return {"losses": [first] + [training.step() for _ in range(steps - 1)], "first": at}


def times(threads, warm, steps, skip):
    """The seconds of each step, after some that are not counted."""
    torch.set_num_threads(threads)
    training.steps = max(training.steps, skip - 1)
    for _ in range(warm):
        training.step()
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        training.step()
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


def memory():
    """The most bytes that were resident: VmHWM, which begins anew with a program."""
    try:
        with open("/proc/self/status") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
        return {"peak": peak * 1024}
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


training = None
answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
functions = {f.__name__: f for f in (about, prepare, losses, times, memory)}
for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = functions[question.pop("do")](**question)
    except Exception as e:
        answer = {"error": f"{type(e).__name__}: {' '.join(str(e).split())}"}
    print(json.dumps(answer), file=answers, flush=True)
