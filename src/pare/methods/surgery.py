"""What methods that cut a model's weights share: they read the weights' file, cut arrays, and write the model again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file, save_file

from pare.artifacts import MANIFEST
from pare.errors import InputError, MissingExtra
from pare.families import Family
from pare.methods.base import BuildContext
from pare.runtimes.modules import WEIGHTS
from pare.types import Artifact

if TYPE_CHECKING:
    from torch import nn

    from pare.training.batching import TokenRows

TEXTS = 512
"""The most train texts on which a model is looked at: ShortGPT and Minitron read about a thousand sequences."""


def patient(parent: Artifact | None, teacher: Artifact | None, name: str) -> Artifact:
    """The model to cut: the parent, or the teacher where there is none. Raises InputError where there is neither."""
    source = parent or teacher
    if source is None:
        raise InputError(f"{name} needs a fine-tuned model but there is none; build the reference first")
    return source


def examined(source: Artifact, family: Family, ctx: BuildContext) -> tuple[nn.Module, TokenRows]:
    """The model as a torch module, and the train texts on which it shows what it needs: at most ``TEXTS``, by the seed.

    Raises InputError where there are no train texts, MissingExtra without torch.
    """
    try:
        from pare.runtimes.modules import read_module
        from pare.training.statistics import token_rows
    except ImportError as error:
        raise MissingExtra(str(error.name), "build", "choosing by what a model computes") from None
    if not ctx.train:
        raise InputError("choosing what to keep needs train texts but there are none; give data with a train side")
    module = read_module(source.path, decoder=family.decoder, pooler=family.decoder or not family.has_pooler)
    manifest = source.manifest
    return module, token_rows(source.path, ctx.some_train(TEXTS), manifest.max_length, manifest.kind)


def read_weights(folder: Path) -> dict[str, Any]:
    """The arrays of a model folder by name. Raises InputError where they are not in one file of 32-bit floats."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{folder} has no {WEIGHTS}; build the artifact again, which writes the weights as one file")
    try:
        return dict(load_file(path))
    except (KeyError, TypeError) as error:  # a type that NumPy does not have (bfloat16)
        raise InputError(f"{path} must hold floats that NumPy has but holds {error}; save it in float32") from None


def write_model(
    source: Artifact,
    out: Path,
    arrays: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    without: tuple[str, ...] = (),
) -> None:
    """The source's files in ``out``, with other weights and another config; files named in ``without`` are left out."""
    skipped = shutil.ignore_patterns(MANIFEST, WEIGHTS, *without)
    shutil.copytree(source.path, out, dirs_exist_ok=True, ignore=skipped)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, out / WEIGHTS, {"format": "pt"})
    (out / "config.json").write_text(json.dumps(config, indent=1))
