"""How a model folder says that its token states become one vector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, get_args

from pare.errors import InputError

Pooling = Literal["mean", "cls", "none"]
"""``none`` leaves every token's vector as it is."""


def read_pooling(folder: Path, default: Pooling) -> Pooling:
    """The pooling of a model folder: ours (``pooling.json``), sentence-transformers' (``1_Pooling``), or ``default``.

    Raises InputError where the folder asks for another pooling than these (theirs: than mean or cls).
    """
    ours = folder / "pooling.json"
    if ours.is_file():
        return _known(str(json.loads(ours.read_bytes()).get("pooling")), ours)
    theirs = folder / "1_Pooling" / "config.json"
    if not theirs.is_file():
        return default
    config = json.loads(theirs.read_bytes())
    if config.get("pooling_mode_mean_tokens") or config.get("pooling_mode") == "mean":
        return "mean"
    if config.get("pooling_mode_cls_token") or config.get("pooling_mode") == "cls":
        return "cls"
    chosen = [key for key, value in config.items() if key.startswith("pooling_mode") and value]
    raise InputError(
        f"{theirs}: pooling must be mean or cls but is {', '.join(chosen) or 'none'}; use another base model"
    )


def _known(value: str, path: Path) -> Pooling:
    for known in get_args(Pooling):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise InputError(
        f"{path}: pooling must be {', '.join(get_args(Pooling))} but is {value!r}; build the artifact again"
    )
