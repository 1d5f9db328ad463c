"""Train the bundled demo model from nothing and write its GGUF: `python scripts/train_demo_model.py`.

Needs torch, tokenizers, gguf, numpy and jinja2; downloads nothing. Two CPU cores with AVX-512 BF16 take about two
hours; killed and started again, it goes on from its last checkpoint. `python -m demo_model.evaluate` (in this folder)
scores the result. The shipped model was trained in pieces while the mixtures of `demo_model/corpus.py` were being
tuned, so a new run gives a like model and not the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from demo_model.export import write_gguf
from demo_model.train import Plan, Run

REPOSITORY = Path(__file__).resolve().parent.parent


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train the demo model and write its GGUF.")
    parser.add_argument("--directory", type=Path, default=REPOSITORY / "build" / "demo_model", help="for checkpoints")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "shared_core" / "local" / "demo_model.gguf")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="how long to train")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--export-only", action="store_true", help="write the last checkpoint as it is")
    return parser.parse_args()


def main() -> None:
    """Train, or go on training, and export."""
    options = parse()
    torch.set_num_threads(options.threads)
    run = Run(Plan(options.directory, steps=options.steps))
    if not options.export_only:
        run.train()
    write_gguf(run.network, run.tokenizer, options.output)


if __name__ == "__main__":
    main()
