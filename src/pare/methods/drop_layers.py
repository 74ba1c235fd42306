"""A student made of some of its teacher's layers, to be distilled afterwards.

Taking the student's layers from the teacher, rather than new ones, is DistilBERT's initialisation (Sanh et al. 2019,
section 3). Works on the weights' file alone, without torch.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from safetensors.numpy import load_file, save_file

from pare.artifacts import seal
from pare.errors import InputError
from pare.families import Family, family_of, read_config
from pare.methods.base import BuildContext
from pare.methods.lineage import lineage
from pare.runtimes.modules import FACTORS, WEIGHTS, read_ranks
from pare.types import Artifact, DataFacts, Part, Shape


@dataclass(frozen=True)
class DropLayers:
    """Keeps ``keep`` layers: the first, and from there evenly spaced ones.

    Raises InputError where ``keep`` is below 1 or more than the model has.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder",)
    gives: ClassVar[str] = ""

    keep: int

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise InputError(f"drop_layers: keep must be at least 1 but is {self.keep}; set keep to 1 or more")

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parts without the dropped layers. Exact."""
        _check(shape.family, self.keep)
        new = {old: i for i, old in enumerate(spaced(shape.layers, self.keep))}
        parts = tuple(kept for part in shape.parts if (kept := _renamed(part, new)) is not None)
        attention = shape.attention_flops * self.keep / shape.layers
        return replace(shape, parts=parts, layers=self.keep, attention_flops=attention)

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Copies the teacher (or ``parent``, where there is one) without the dropped layers."""
        source = parent or ctx.teacher
        if source is None:
            raise InputError("drop_layers needs a fine-tuned model but there is none; build the reference first")
        config = read_config(source.path)
        family = family_of(config)
        _check(family.name, self.keep)
        layers = _chosen(config, family, self.keep)
        shutil.copytree(source.path, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json", WEIGHTS))
        save_file(_take(load_file(source.path / WEIGHTS), family, layers), out / WEIGHTS, {"format": "pt"})
        (out / "config.json").write_text(json.dumps(_shortened(config, family, layers), indent=1))
        if ranks := read_ranks(source.path):
            (out / FACTORS).write_text(json.dumps(_take(ranks, family, layers), indent=1))
        return seal(
            out,
            format="encoder",
            labels=source.manifest.labels,
            shape=self.reshape(source.manifest.shape, _no_facts(source)),
            max_length=source.manifest.max_length,
            kind=source.manifest.kind,
            lineage=lineage(self, "drop_layers", source, ctx),
        )


def spaced(layers: int, keep: int) -> list[int]:
    """The kept layers' indices: the first one, and evenly spaced ones after it.

    >>> spaced(6, 1), spaced(6, 2), spaced(6, 3)
    ([0], [0, 5], [0, 2, 5])
    """
    if not 1 <= keep <= layers:
        raise InputError(f"drop_layers: keep must be between 1 and the model's {layers} layers but is {keep}")
    if keep == 1:
        return [0]
    return [i * (layers - 1) // (keep - 1) for i in range(keep)]


def _chosen(config: dict[str, Any], family: Family, keep: int) -> list[int]:
    """Spaced layers; the last gives way to one of a kind (``layer_types``) that would be missing."""
    layers = spaced(int(config[family.layers_key]), keep)
    kinds = config.get("layer_types")
    if not isinstance(kinds, list):
        return layers
    missing = set(kinds) - {kinds[i] for i in layers}
    if missing and keep > 1:
        layers[-1] = max(i for i, kind in enumerate(kinds) if kind in missing)
    return sorted(layers)


def _check(name: str, keep: int) -> None:
    least = family_of({"model_type": name}).min_layers
    if keep < least:
        raise InputError(
            f"drop_layers: a {name} model must keep at least {least} layers but keep is {keep}; raise keep"
        )


def _renamed(part: Part, new: dict[int, int]) -> Part | None:
    match = re.fullmatch(r"layers\.(\d+)\.(.+)", part.name)
    if match is None:
        return part
    old = int(match[1])
    return replace(part, name=f"layers.{new[old]}.{match[2]}") if old in new else None


def _take(arrays: dict[str, Any], family: Family, layers: list[int]) -> dict[str, Any]:
    new = {old: i for i, old in enumerate(layers)}
    prefix = re.compile(re.escape(family.layers) + r"\.(\d+)\.(.+)")
    kept = {}
    for name, array in arrays.items():
        match = prefix.fullmatch(name)
        if match is None:
            kept[name] = array
        elif int(match[1]) in new:
            kept[f"{family.layers}.{new[int(match[1])]}.{match[2]}"] = array
    return kept


def _shortened(config: dict[str, Any], family: Family, layers: list[int]) -> dict[str, Any]:
    short = {**config, family.layers_key: len(layers)}
    if isinstance(config.get("layer_types"), list):
        short["layer_types"] = [config["layer_types"][i] for i in layers]
    return short


def _no_facts(source: Artifact) -> DataFacts:
    return DataFacts(classes=len(source.manifest.labels), rows=0, tokens_per_row=0.0)
