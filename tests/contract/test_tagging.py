"""Tagging words from a base to a quantised student: it learns, and what is served answers as what was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the build extra is not installed")

from pare.evaluation.spans import sentence_f1
from pare.methods import method
from pare.methods.base import BuildContext
from pare.methods.quantize import Watch
from pare.runtimes import load, runtime
from pare.runtimes.text import Tokens
from pare.testing.conformance import check_runtime
from pare.testing.contexts import TAGS, tiny_tagging
from pare.types import Artifact, Step

FAMILIES = ("bert", "roberta")
FINETUNE = Step("finetune", {"epochs": 40.0, "rate": 5e-3, "hide": 0.0, "batch": 16, "max_length": 40})
STUDENT = [
    FINETUNE,
    Step("drop_layers", {"keep": 1}),
    Step("trim_vocab", {"tokens": 150}),
    Step("distil", {"epochs": 8.0, "copies": 2, "rate": 3e-3}),
]
WIDTHS = {"w8": Step("quantize", {"scheme": "w8"}), "int8": Step("quantize", {"ranges": 16})}
ODD = ["", "  ", "Ada", "unseen 🙂 wörds\u2028here", "[MASK] [SEP]", "went to new york " * 40]
Built = Callable[..., Artifact]


@pytest.fixture(scope="session")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BuildContext]:
    root = tmp_path_factory.mktemp("tagging")
    made = {family: tiny_tagging(root, family) for family in FAMILIES}
    return {family: replace(ctx, train=ctx.train[:60], dev=ctx.train[60:]) for family, ctx in made.items()}


@pytest.fixture(scope="session")
def built(contexts: dict[str, BuildContext], tmp_path_factory: pytest.TempPathFactory) -> Built:
    known: dict[str, Artifact] = {}
    root = tmp_path_factory.mktemp("built")

    def build(family: str, *steps: Step) -> Artifact:
        key = f"{family} {steps}"
        if key not in known:
            parent = build(family, *steps[:-1]) if len(steps) > 1 else None
            ctx = contexts[family]
            teacher = None if steps[-1].method == "finetune" else build(family, FINETUNE)
            out = root / str(len(known))
            out.mkdir()
            known[key] = method(steps[-1]).apply(parent, replace(ctx, teacher=teacher), out)
        return known[key]

    return build


def answers(artifact: Artifact, texts: Sequence[str], runtime: str | None = None) -> list[np.ndarray]:
    """The logits of each text's words, (words, tags)."""
    engine = load(artifact, runtime, threads=1)
    try:
        found = engine.logits(texts)
    finally:
        engine.close()
    return [row[~np.isnan(row[:, 0])] for row in found]


def quality(artifact: Artifact, ctx: BuildContext) -> float:
    engine = load(artifact, threads=1)
    found = engine.logits([sample.text for sample in ctx.dev])
    engine.close()
    return float(sentence_f1(found, ctx.targets(ctx.dev), ctx.labels).mean())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_teacher_and_its_student_learn_to_tag_unseen_sentences(
    family: str, built: Built, contexts: dict[str, BuildContext]
) -> None:
    ctx = contexts[family]
    assert quality(built(family, FINETUNE), ctx) > 0.9
    student = built(family, *STUDENT)
    assert student.manifest.kind == "tag"
    assert student.manifest.labels == TAGS
    assert student.manifest.shape.layers == 1
    assert quality(student, ctx) > 0.8
    assert quality(student, ctx) > quality(built(family, *STUDENT[:3]), ctx)


def test_quantisation_watches_the_least_right_word_of_a_sentence(
    built: Built, contexts: dict[str, BuildContext]
) -> None:
    openvino = pytest.importorskip("openvino")
    family = FAMILIES[0]
    ctx, lowered = contexts[family], built(family, FINETUNE, Step("lower"))
    probabilities = []
    for sample, logits in zip(ctx.dev, answers(lowered, [sample.text for sample in ctx.dev]), strict=True):
        right = [ctx.labels.index(tag) for tag in sample.label.split()]
        raised = np.exp(logits.astype(float))
        probabilities.append((raised[np.arange(len(right)), right] / raised.sum(axis=1)).min())
    tokens = Tokens(lowered.path / "tokenizer.json", lowered.manifest.max_length)
    model = openvino.Core().read_model(str(lowered.path / "model.xml"))
    assert Watch(tokens, ctx.dev, ctx)(model) == pytest.approx(np.mean(probabilities), abs=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("to", ["openvino", "onnx"])
def test_a_lowered_tagger_answers_as_pytorch_on_padded_and_single_texts(
    family: str, to: str, built: Built, contexts: dict[str, BuildContext]
) -> None:
    if to == "onnx":
        pytest.importorskip("onnxruntime")
    texts = [*ODD, *(sample.text for sample in contexts[family].dev)]
    expected = answers(built(family, FINETUNE), texts)
    lowered = built(family, FINETUNE, Step("lower", {"to": to}))
    assert [len(row) for row in expected] == [len(text.split()) for text in texts]
    for found in (answers(lowered, texts), [answers(lowered, [text])[0] for text in texts]):
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, abs=2e-3 * max(1.0, float(np.abs(other).max(initial=0.0))))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_quantised_tagger_still_tags(width: str, built: Built, contexts: dict[str, BuildContext]) -> None:
    lowered = built("bert", FINETUNE, Step("lower"))
    small = built("bert", FINETUNE, Step("lower"), WIDTHS[width])
    assert (small.path / "model.bin").stat().st_size < (lowered.path / "model.bin").stat().st_size
    assert quality(small, contexts["bert"]) > quality(lowered, contexts["bert"]) - 0.1


def test_words_beyond_the_maximum_length_are_outside(built: Built) -> None:
    artifact = built("bert", FINETUNE, Step("lower"))
    words = ("ada went to new york " * 40).split()
    found = answers(artifact, [" ".join(words)])[0]
    assert len(found) == 200
    read = next(i for i, row in enumerate(found) if np.array_equal(row, found[-1]))
    assert 30 <= read < 40
    assert np.allclose(found[:read], answers(artifact, [" ".join(words[:read])])[0], atol=1e-4)
    assert {TAGS[i] for i in found[:read].argmax(axis=1)} > {"O"}
    assert {TAGS[i] for i in found[read:].argmax(axis=1)} == {"O"}


@pytest.mark.parametrize(("family", "name"), [("bert", "openvino"), ("roberta", "openvino"), ("bert", "pytorch")])
def test_a_tagger_conforms(family: str, name: str, built: Built, contexts: dict[str, BuildContext]) -> None:
    steps = (*STUDENT, Step("lower")) if name == "openvino" else STUDENT
    check_runtime(runtime(name), built(family, *steps), [sample.text for sample in contexts[family].dev])


def test_the_same_seed_gives_the_same_bytes(built: Built, contexts: dict[str, BuildContext], tmp_path: Path) -> None:
    first = built("bert", *STUDENT)
    ctx = replace(contexts["bert"], teacher=built("bert", FINETUNE))
    again = method(STUDENT[-1]).apply(built("bert", *STUDENT[:3]), ctx, tmp_path)
    assert again.manifest.files == first.manifest.files


def test_a_trimmed_vocabulary_still_tags_every_word(built: Built) -> None:
    trimmed = built("bert", *STUDENT[:3])
    assert trimmed.manifest.shape.vocabulary < built("bert", FINETUNE).manifest.shape.vocabulary
    words = ["zyxwv", "Grace", "unheard-of", "12345", "o'neill", "€"]
    assert len(answers(trimmed, [" ".join(words)])[0]) == len(words)
