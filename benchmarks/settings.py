"""The models, the data and the recipes of ``benchmarks/methods.py``."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pare import runtimes
from pare.artifacts import Store
from pare.data import prepare
from pare.methods.base import BuildContext
from pare.search import bases
from pare.search.origin import find_origin, take_in
from pare.store import Ledger
from pare.types import Artifact, DataSpec, Sample

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PARE_DATA", ROOT.parent / "shared" / "data"))
HELD_OUT = 0.2
SEED = 0
LOOKED_AT = 60

RECOVER = "distil(epochs=0.5)"
"""The training after a cut that leaves all six layers: longer costs ten minutes a row on two cores."""

ENCODER_ROWS: tuple[tuple[str, str], ...] = (
    ("PyTorch fp32", "finetune"),
    ("OpenVINO fp32", "finetune > lower"),
    ("int8 static", "finetune > lower > quantize:int8"),
    ("int8 dynamic (ONNX)", "finetune > lower:onnx > quantize:int8_dynamic"),
    ("int8 weights", "finetune > lower > quantize:w8"),
    ("int4 weights, round to nearest", "finetune > lower > quantize:w4(algorithm=rtn)"),
    ("int4 weights, AWQ", "finetune > lower > quantize:w4(algorithm=awq)"),
    ("int4 weights, GPTQ", "finetune > lower > quantize:w4(algorithm=gptq)"),
    ("vocabulary trimmed", "finetune > trim_vocab > lower"),
    ("LoRA", "lora > lower"),
    ("half sparse, Wanda (disk only)", "finetune > sparsify:0.5(by=wanda) > lower"),
    ("half sparse, magnitude (disk only)", "finetune > sparsify:0.5(by=magnitude) > lower"),
    ("half the rank, plain SVD", "finetune > lowrank:0.5(rule=uniform, whiten=false) > lower"),
    ("half the rank, whitened", "finetune > lowrank:0.5(rule=uniform) > lower"),
    ("half the rank, whitened, by budget", "finetune > lowrank:0.5(rule=budget) > lower"),
    ("half the rank, by budget, distilled", f"finetune > lowrank:0.5(rule=budget) > {RECOVER} > lower"),
    ("half the feed-forward", "finetune > prune:0.5 > lower"),
    ("half the feed-forward, distilled", f"finetune > prune:0.5 > {RECOVER} > lower"),
    ("3 layers", "finetune > drop_layers:3 > lower"),
    ("3 layers, distilled", "finetune > drop_layers:3 > distil > lower"),
    ("1 layer, distilled", "finetune > drop_layers:1 > trim_vocab > distil > lower"),
    ("3 layers, trimmed, int8", "finetune > drop_layers:3 > trim_vocab > distil > lower > quantize:int8"),
    ("2 layers, trimmed, int8", "finetune > drop_layers:2 > trim_vocab > distil > lower > quantize:int8"),
    ("1 layer, trimmed, int8", "finetune > drop_layers:1 > trim_vocab > distil > lower > quantize:int8"),
    ("3 layers, all int4", "finetune > drop_layers:3 > trim_vocab > distil > lower > quantize:w4(embeddings=4)"),
    ("2 layers, all int4", "finetune > drop_layers:2 > trim_vocab > distil > lower > quantize:w4(embeddings=4)"),
    ("1 layer, all int4", "finetune > drop_layers:1 > trim_vocab > distil > lower > quantize:w4(embeddings=4)"),
    ("1 layer, trimmed, int4", "finetune > drop_layers:1 > trim_vocab > distil > lower > quantize:w4"),
    ("1 layer, trimmed, int4 by QAT", "finetune > drop_layers:1 > trim_vocab > distil > qat:w4 > lower"),
)

WIDER = "trim_vocab:12000"
"""TREC's questions are few (4,300 to train) and name everything: 5,000 tokens cost three points."""

FOUR_BITS = "distil > lower > quantize:w4(embeddings=4)"

TREC_ROWS = (
    *ENCODER_ROWS,
    ("vocabulary trimmed to 12,000", f"finetune > {WIDER} > lower"),
    ("4 layers, 12,000 tokens, all int4", f"finetune > drop_layers:4 > {WIDER} > {FOUR_BITS}"),
    ("3 layers, 12,000 tokens, all int4", f"finetune > drop_layers:3 > {WIDER} > {FOUR_BITS}"),
)

DECODER_ROWS: tuple[tuple[str, str], ...] = (
    ("PyTorch fp32", ""),
    ("OpenVINO fp32", "lower"),
    ("int8 weights", "lower > quantize:w8"),
    ("int4 weights, round to nearest", "lower > quantize:w4(algorithm=rtn)"),
    ("int4 weights, AWQ", "lower > quantize:w4(algorithm=awq)"),
    ("int4 weights, GPTQ", "lower > quantize:w4(algorithm=gptq)"),
    ("int4 weights, GPTQ, groups of 32", "lower > quantize:w4(algorithm=gptq, group=32)"),
    ("int4 weights by QAT", "qat:w4(rate=0.001) > lower"),
    (
        "int4 weights, GPTQ, after as much training",
        "distil(rate=0.001, train_embeddings=false) > lower > quantize:w4(algorithm=gptq)",
    ),
    ("half sparse, magnitude (disk only)", "sparsify:0.5(by=magnitude) > lower"),
    ("half sparse, Wanda (disk only)", "sparsify:0.5(by=wanda) > lower"),
    ("80 % of the rank, plain SVD", "lowrank:0.8(rule=uniform, whiten=false) > lower"),
    ("80 % of the rank, whitened", "lowrank:0.8(rule=uniform) > lower"),
    ("80 % of the rank, whitened, by budget", "lowrank:0.8(rule=budget) > lower"),
    ("80 % of the rank, by budget, distilled", "lowrank:0.8(rule=budget) > distil(rate=0.002) > lower"),
    ("60 % of the rank, plain SVD", "lowrank:0.6(rule=uniform, whiten=false) > lower"),
    ("60 % of the rank, whitened", "lowrank:0.6(rule=uniform) > lower"),
    ("60 % of the rank, whitened, by budget", "lowrank:0.6(rule=budget) > lower"),
    ("three quarters of the feed-forward", "prune:0.75 > lower"),
    ("half the feed-forward", "prune:0.5 > lower"),
    ("half the feed-forward, distilled", "prune:0.5 > distil(rate=0.002) > lower"),
    ("1 layer", "drop_layers:1 > lower"),
    ("1 layer, distilled", "drop_layers:1 > distil(rate=0.002) > lower"),
    ("1 layer, distilled, int4", "drop_layers:1 > distil(rate=0.002) > lower > quantize:w4"),
    ("vocabulary trimmed", "trim_vocab:1500 > lower"),
)


@dataclass(frozen=True)
class Setting:
    """A model and a task: what the methods may use, the held-out rows, and the recipes. ``start`` is what a recipe goes on
    from, ``reference`` the row that the others are compared with.
    """

    name: str
    ctx: BuildContext
    held: tuple[Sample, ...]
    start: Artifact | None
    rows: tuple[tuple[str, str], ...]
    reference: str

    @property
    def tokens(self) -> float:
        """Mean words of a text, for the work of a request."""
        return float(np.mean([len((sample.text or sample.label).split()) for sample in self.held]))

    @property
    def writes(self) -> bool:
        return self.ctx.kind == "generate"


def context(name: str, rows: Sequence[tuple[str, str]], work: Path) -> tuple[BuildContext, tuple[Sample, ...]]:
    """What the methods may use, and the held-out rows. pare screens them: the held-out rows are a task's sealed file."""
    shuffled = sorted(rows)
    random.Random(SEED).shuffle(shuffled)
    cut = round(HELD_OUT * len(shuffled))
    work.mkdir(parents=True, exist_ok=True)
    files = {"held": work / "held.csv", "train": work / "train.csv"}
    for file, part in zip(files.values(), (shuffled[:cut], shuffled[cut:]), strict=True):
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([("text", "label"), *part])
    data = prepare(DataSpec(str(files["train"]), "text", "label", test=str(files["held"])))
    ctx = BuildContext(
        train=(*data.train, *data.calibration),
        dev=data.dev,
        labels=data.labels,
        base=bases.locate("all-MiniLM-L6-v2"),
        teacher=None,
        seed=SEED,
        fidelity=1.0,
        threads=runtimes.this_device().cores,
        cache=work / "cache",
        progress=lambda share, words: None,
        data=data.hash,
    )
    return ctx, tuple(data.test.open("benchmark: a fifth of the training file"))


def banking77(work: Path) -> Setting:
    with (DATA / "intent" / "banking77" / "banking_data" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return Setting("banking77", *context("banking77", rows, work), None, ENCODER_ROWS, "PyTorch fp32")


def trec(work: Path) -> Setting:
    lines = (DATA / "classify" / "trec" / "TREC.train").read_text(encoding="latin-1").splitlines()
    rows = [(text, label.partition(":")[0]) for label, _, text in (line.partition(" ") for line in lines)]
    return Setting("trec", *context("trec", rows, work), None, TREC_ROWS, "PyTorch fp32")


def tinystories(work: Path) -> Setting:
    texts = json.loads((DATA / "generate" / "tinystories" / "out" / "corpora" / "tinystories_1000.json").read_text())
    samples = [Sample(id=f"{i:04x}", text="", label=text, unit=str(i)) for i, text in enumerate(texts)]
    unseen = samples[:-LOOKED_AT]
    random.Random(SEED).shuffle(unseen)
    cut = round(HELD_OUT * len(samples))
    held, rest = unseen[:cut], sorted([*unseen[cut:], *samples[-LOOKED_AT:]], key=lambda sample: sample.id)
    work.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(work / "start.db")
    start = take_in(find_origin(str(DATA / "models" / "tinystories-656k")), ledger, Store(work / "artifacts"))
    ledger.close()
    ctx = BuildContext(
        train=rest[60:],
        dev=rest[:60],
        labels=(),
        base=start.path,
        teacher=start,
        seed=SEED,
        fidelity=1.0,
        threads=runtimes.this_device().cores,
        cache=work / "cache",
        progress=lambda share, words: None,
        data=hashlib.sha256("\n".join(sample.label for sample in rest).encode()).hexdigest()[:16],
        kind="generate",
    )
    return Setting("tinystories", ctx, tuple(held), start, DECODER_ROWS, "PyTorch fp32")


SETTINGS: dict[str, Callable[[Path], Setting]] = {"banking77": banking77, "trec": trec, "tinystories": tinystories}
