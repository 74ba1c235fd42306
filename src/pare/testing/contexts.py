"""A small classification task and a build context over a tiny random encoder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pare.artifacts import seal
from pare.families import family_of, read_config
from pare.kinds import MARK, NOTHING
from pare.methods.base import BuildContext
from pare.testing.tiny import tiny_decoder, tiny_encoder
from pare.types import Artifact, Kind, Sample

LABELS = ("card", "money", "phone")
TAGS = ("B-name", "B-place", "I-place", "O")
_STATES = ("lost", "gone", "late", "stuck")
_WORDS = {"card": "card plastic chip", "money": "money cash transfer", "phone": "phone mobile handset"}


def tiny_samples(rows: int = 60) -> list[Sample]:
    """Separable rows: each names its label by one of three words."""
    made = []
    for i in range(rows):
        label = LABELS[i % len(LABELS)]
        word = _WORDS[label].split()[i // len(LABELS) % 3]
        text = f"please help, my {word} is {_STATES[i % len(_STATES)]} since day {i}"
        made.append(Sample(id=f"{i:04x}", text=text, label=label, unit=str(i)))
    return made


def tiny_sentences(rows: int = 90) -> list[Sample]:
    """Tagged sentences: names and places by a few words, some of several pieces, places of one or two words."""
    names, places = (
        ("ada", "Grace", "o'neill", "jean-luc"),
        (("bonn",), ("new", "york"), ("sankt-gallen",), ("old", "town")),
    )
    made = []
    for i in range(rows):
        place, name = places[i % 4], names[i * 7 % 4]
        words = (
            ["please", name, "went", "to", *place, f"on day {i}"] if i % 3 else ["nobody", "was", "late", "today", "!"]
        )
        tags = ["O", "B-name", "O", "O", "B-place", *["I-place"] * (len(place) - 1), *["O"] * 3] if i % 3 else ["O"] * 5
        made.append(Sample(id=f"{i:04x}", text=" ".join(words), label=" ".join(tags), unit=str(i)))
    return made


def tiny_tagging(folder: Path, family: str = "bert", **more: Any) -> BuildContext:
    """``tiny_context`` for tagging words. Needs torch and transformers."""
    sentences = tiny_sentences()
    return replace(tiny_context(folder, family, samples=sentences, **more), labels=TAGS, kind="tag")


def several_samples(rows: int = 60) -> list[Sample]:
    """Separable rows of several labels: each names every label that holds by one of three words, and some name none."""
    made = []
    for i in range(rows):
        held = [label for place, label in enumerate(LABELS) if (i % 8) >> place & 1]
        words = [_WORDS[label].split()[(i // 8 + place) % 3] for place, label in enumerate(held)]
        text = f"please help, my {' and '.join(words) or 'day'} is {_STATES[i % len(_STATES)]} since day {i}"
        made.append(Sample(id=f"{i:04x}", text=text, label=MARK.join(held) or NOTHING, unit=str(i)))
    return made


def tiny_context(
    folder: Path,
    family: str = "bert",
    *,
    teacher: Artifact | None = None,
    samples: Sequence[Sample] = (),
    kind: Kind = "classify",
    seed: int = 0,
    fidelity: float = 1.0,
    progress: Callable[[float, str], None] = lambda share, word: None,
) -> BuildContext:
    """A context whose base is a tiny random encoder under ``folder``. Needs torch and transformers."""
    train = list(samples) or tiny_samples()
    base = folder / f"base-{family}"
    if not base.is_dir():
        tiny_encoder(base, family, [sample.text for sample in train])
    return BuildContext(
        train=train,
        dev=[],
        labels=LABELS,
        base=base,
        teacher=teacher,
        seed=seed,
        fidelity=fidelity,
        threads=1,
        cache=folder / "cache",
        progress=progress,
        kind=kind,
    )


def tiny_stories(rows: int = 60) -> list[Sample]:
    """Prompts with the answers to give: a count that goes on, so that a small decoder can learn it."""
    numbers = ("one", "two", "three", "four", "five", "six")
    made = []
    for i in range(rows):
        said = [numbers[(i + step) % len(numbers)] for step in range(5)]
        made.append(Sample(id=f"{i:04x}", text=" ".join(said[:2]), label=" " + " ".join(said[2:]), unit=str(i)))
    return made


def tiny_writing(folder: Path, family: str = "llama", **more: Any) -> BuildContext:
    """``tiny_context`` for a decoder (kind ``generate``): its base is a tiny random one. Needs torch and transformers."""
    stories = tiny_stories()
    base = folder / f"base-{family}"
    if not base.is_dir():
        tiny_decoder(base, family, [sample.text + sample.label for sample in stories])
    return replace(tiny_context(folder, family, samples=stories, **more), labels=(), kind="generate", dev=stories[:12])


def tiny_written(ctx: BuildContext, folder: Path) -> Artifact:
    """The untrained base of ``tiny_writing`` as an artifact of format ``decoder`` in ``folder``, at most 64 tokens long."""
    shutil.copytree(ctx.base, folder)
    shape = family_of(config := read_config(folder)).shape(config, 0)
    return seal(folder, format="decoder", labels=(), shape=shape, max_length=shape.max_length, kind="generate")
