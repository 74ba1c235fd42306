"""A teacher as a labeller: one label of a list for each text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import msgspec

from pare.remote.types import Parameters, Prompt

ANSWER_TOKENS = 40
"""The most tokens that a label in JSON may take."""
PARAMETERS = Parameters(max_tokens=ANSWER_TOKENS, response_format={"type": "json_object"})


def instruction(labels: Mapping[str, str]) -> str:
    """What the teacher is told. ``labels`` are names with what they mean, which may be empty."""
    lines = [f"- {name}: {meaning}" if meaning else f"- {name}" for name, meaning in labels.items()]
    shape = json.dumps({"label": next(iter(labels))}, ensure_ascii=False)
    return (
        "Choose the one label that fits the text best. Answer with JSON of this form, and with nothing else: "
        f"{shape}\nThe labels:\n" + "\n".join(lines)
    )


def prompts(texts: Sequence[str], labels: Mapping[str, str]) -> list[Prompt]:
    """One prompt a text."""
    told = instruction(labels)
    return [Prompt.of(text, system=told) for text in texts]


def label_of(answer: str, labels: Mapping[str, str]) -> str | None:
    """The label that an answer names, in JSON (in a code fence or not) or bare; None where it names none of the list."""
    text = answer.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    try:
        found = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        found = text
    if isinstance(found, dict):
        found = found.get("label")
    names = {name.casefold(): name for name in labels}
    return names.get(found.strip().casefold()) if isinstance(found, str) else None
