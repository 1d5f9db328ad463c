"""The only module that trains: Muon for matrices, AdamW for the rest, checkpoints between pools of batches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional

from .batches import collate, encode, pool
from .corpus import CURRICULUM, FINAL, draw
from .network import Network, Shape
from .template import render
from .tokenizer import PAD, id_of, train_tokenizer
from .words import HELD_OUT, TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from .corpus import Phase

_TOKENIZER_TEXTS = 8000


@dataclass(frozen=True)
class Plan:
    """How long, how fast and from which seed to train."""

    directory: Path
    steps: int = 9_000
    tokens_per_step: int = 6_144
    matrix_rate: float = 4e-3
    other_rate: float = 3e-3
    warm_up: int = 100
    decay_from: float = 0.4
    checkpoint_seconds: float = 120.0
    report_every: int = 500
    seed: int = 1


def make_tokenizer(plan: Plan) -> Tokenizer:
    """The tokenizer of this plan, learned once and kept beside the checkpoints."""
    path = plan.directory / "tokenizer.json"
    if not path.exists():
        rng = Random(plan.seed)
        phases = CURRICULUM[1:]
        drawn = [draw(rng, TRAINING, rng.choice(phases)) for _ in range(_TOKENIZER_TEXTS)]
        train_tokenizer([render(one.messages, one.tools) for one in drawn]).save(str(path))
    return Tokenizer.from_file(str(path))


def answer_loss(network: Network, tokens: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted loss to descend, and the loss of the assistant's tokens alone."""
    with torch.autocast("cpu", torch.bfloat16):
        scores = network.logits(network(tokens[:, :-1]))
    losses = functional.cross_entropy(scores.flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none")
    weight = weights[:, 1:].flatten()
    spoken = (weight == 1).float()
    return (losses * weight).sum() / weight.sum(), (losses.detach() * spoken).sum() / spoken.sum()


class Optimizers:
    """Both optimizers under one learning-rate schedule."""

    def __init__(self, network: Network, plan: Plan) -> None:
        matrices = [p for name, p in network.named_parameters() if p.ndim == 2 and "embedding" not in name]
        others = [p for name, p in network.named_parameters() if p.ndim < 2 or "embedding" in name]
        self.plan = plan
        self.matrices = torch.optim.Muon(
            matrices, lr=plan.matrix_rate, momentum=0.95, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"
        )
        self.others = torch.optim.AdamW(others, lr=plan.other_rate, betas=(0.9, 0.98), weight_decay=0.0)

    def step(self, progress: float, step: int) -> None:
        """Descend once, at the rate this point of the plan asks for."""
        scale = rate_scale(self.plan, progress, step)
        for optimizer, rate in ((self.matrices, self.plan.matrix_rate), (self.others, self.plan.other_rate)):
            optimizer.param_groups[0]["lr"] = rate * scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps."""
        return [self.matrices.state_dict(), self.others.state_dict()]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Go on from a checkpoint."""
        self.matrices.load_state_dict(state[0])
        self.others.load_state_dict(state[1])


def rate_scale(plan: Plan, progress: float, step: int) -> float:
    """Warm up, hold, then fall in a straight line to nothing."""
    falling = (1 - progress) / (1 - plan.decay_from)
    return max(0.0, min(1.0, (step + 1) / plan.warm_up, falling))


def phase_at(progress: float) -> Phase:
    """The phase of the curriculum at this share of the steps."""
    return next((phase for phase in CURRICULUM if progress < phase.until), CURRICULUM[-1])


@torch.no_grad()
def exact_matches(network: Network, tokenizer: Tokenizer, cases: int = 25) -> dict[str, float]:
    """The share of unseen last answers that greedy decoding gets right to the last token, by kind."""
    found = {}
    for maker in FINAL:
        rng = Random(7)
        rows = encode(tokenizer, [maker(rng, HELD_OUT) for _ in range(cases)])
        tokens, weights = collate(rows, id_of(tokenizer, PAD))
        with torch.autocast("cpu", torch.bfloat16):
            guesses = network.logits(network(tokens[:, :-1])).argmax(-1)
        right = guesses == tokens[:, 1:]
        found[maker.__name__] = sum(_last_is_right(right[i], weights[i, 1:]) for i in range(cases)) / cases
    return found


def _last_is_right(right: Tensor, weights: Tensor) -> bool:
    spoken = (weights == 1).nonzero().flatten().tolist()
    last = spoken[-1]
    while last in spoken:
        if not right[last]:
            return False
        last -= 1
    return True


class Run:
    """A training run that stops and goes on at will."""

    def __init__(self, plan: Plan) -> None:
        plan.directory.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(plan.seed)
        self.plan = plan
        self.tokenizer = make_tokenizer(plan)
        self.network = Network(Shape(vocabulary=self.tokenizer.get_vocab_size()))
        self.optimizers = Optimizers(self.network, plan)
        self.step = self.pools = self.tokens = 0
        self.seconds = 0.0
        self.path = plan.directory / "checkpoint.pt"
        if self.path.exists():
            self._restore()

    def _restore(self) -> None:
        saved = torch.load(self.path)
        self.network.load_state_dict(saved["network"])
        self.optimizers.restore(saved["optimizers"])
        self.step, self.pools, self.tokens, self.seconds = saved["counts"]

    def save(self) -> None:
        """Write a checkpoint, never half of one."""
        counts = (self.step, self.pools, self.tokens, self.seconds)
        state = {"network": self.network.state_dict(), "optimizers": self.optimizers.state(), "counts": counts}
        draft = self.path.with_suffix(".draft")
        torch.save(state, draft)
        draft.replace(self.path)

    @property
    def progress(self) -> float:
        """The share of the steps that is done."""
        return self.step / self.plan.steps

    def train(self) -> None:
        """Train to the end of the plan."""
        descend = torch.compile(answer_loss, dynamic=True)
        saved = time.monotonic()
        while self.progress < 1:
            self._train_on_a_pool(descend)
            if time.monotonic() - saved > self.plan.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
        self.save()
        self.report()

    def _train_on_a_pool(self, descend: Callable[[Network, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
        phase, began, spoken = phase_at(self.progress), time.monotonic(), 0.0
        batches = list(pool(self.tokenizer, phase, f"{self.plan.seed}:{self.pools}", self.plan.tokens_per_step))
        before, counted = self.step, self.tokens
        for tokens, weights in batches:
            loss, answer = descend(self.network, tokens, weights)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizers.step(self.progress, self.step)
            self.step += 1
            self.tokens += tokens.numel()
            spoken += answer.item()
        self.pools += 1
        took = time.monotonic() - began
        self.seconds += took
        speed = f"{self.tokens / 1e6:.2f}M tokens {self.seconds:.0f}s {(self.tokens - counted) / took:.0f} tokens/s"
        print(f"step {self.step} answer loss {spoken / len(batches):.4f} {speed}", flush=True)
        if before // self.plan.report_every != self.step // self.plan.report_every:
            self.report()

    def report(self) -> None:
        """Print exact matches on unseen cases."""
        found = exact_matches(self.network, self.tokenizer)
        print("  " + " ".join(f"{name} {share:.2f}" for name, share in found.items()), flush=True)
