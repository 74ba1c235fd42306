"""A teacher's outputs, kept by content: the same teacher and texts are never run twice, whichever student asks."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from pare.training.batching import tokenize
from pare.training.model import load_encoder
from pare.training.trainer import Progress, predict
from pare.types import Artifact


class Outputs(NamedTuple):
    """``logits`` (texts, classes) and ``pooled`` states (texts, width), float32.

    Where words are tagged: of the words of all texts, one after the other. A word that the teacher never saw, because its
    text was cut, has NaN for logits; states are float16, for there are many.
    """

    logits: NDArray[np.float32]
    pooled: NDArray[Any]


def teacher_outputs(teacher: Artifact, texts: Sequence[str], cache: Path, threads: int, progress: Progress) -> Outputs:
    """The outputs of an artifact of format ``encoder``, from ``cache`` where they are already known."""
    path = cache / f"outputs-{_key(teacher, texts)}.safetensors"
    if path.is_file():
        arrays = load_file(path)
        return Outputs(arrays["logits"], arrays["pooled"])
    manifest = teacher.manifest
    rows = tokenize(teacher.path / "tokenizer.json", texts, manifest.max_length, words=manifest.kind == "tag")
    model = load_encoder(teacher.path)
    logits, pooled = predict(model, rows, threads=threads, progress=progress, word="teacher")
    write_arrays(path, {"logits": logits, "pooled": pooled})
    return Outputs(logits, pooled)


def _key(teacher: Artifact, texts: Sequence[str]) -> str:
    return hashlib.sha256(msgspec.json.encode([teacher.id, list(texts)])).hexdigest()[:24]


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Writes beside the final name and renames, so that a killed run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    os.close(descriptor)
    save_file(arrays, name)
    os.replace(name, path)
