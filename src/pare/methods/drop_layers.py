"""A student made of some of its teacher's layers, to be distilled afterwards.

Taking the student's layers from the teacher, rather than new ones, is DistilBERT's initialisation (Sanh et al. 2019,
section 3). Which ones is given, evenly spaced, or those that change their input most (block influence, Men et al. 2024).
Works on the weights' file alone; torch is needed to measure influence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pare.errors import InputError
from pare.families import Family, family_of, read_config
from pare.families.factors import dense, is_factored, unknown
from pare.families.layers import config_of_layers, layer_kinds
from pare.methods.base import BuildContext
from pare.methods.lineage import lineage, seal_child
from pare.methods.surgery import examined, patient, read_weights, write_model
from pare.runtimes.modules import FACTORS, read_ranks
from pare.types import Artifact, DataFacts, Part, Shape


@dataclass(frozen=True)
class DropLayers:
    """Keeps ``keep`` layers, or those numbered in ``layers`` ("0,2,5", counted from 0).

    ``by``: ``spaced`` keeps the first layer, and from there evenly spaced ones; ``influence`` those that change what they
    read most, measured on train texts. Raises InputError where a number is out of range, or both or neither is given.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    gives: ClassVar[str] = ""

    keep: int | None = None
    layers: str = ""
    by: Literal["spaced", "influence"] = "spaced"

    def __post_init__(self) -> None:
        if (self.keep is None) == (not self.layers):
            raise InputError(
                'drop_layers takes either keep or layers: give how many to keep, or which ones (layers="0,2")'
            )
        if self.keep is not None and self.keep < 1:
            raise InputError(f"drop_layers: keep must be at least 1 but is {self.keep}; set keep to 1 or more")
        if self.layers:
            if self.by != "spaced":
                raise InputError(
                    "drop_layers: layers are given, so there is nothing to choose by influence; leave by out"
                )
            _listed(self.layers)

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parts without the dropped layers. Exact, unless influence chooses among layers of different sizes, or
        a budget of ranks is spread among them in a way that is not known yet.
        """
        family = family_of({"model_type": shape.family})
        if is_factored(shape) and not shape.exact:
            shape = unknown(dense(shape, family), family)
        layers = self._planned(family, shape.layers)
        new = _shape_of_layers(shape, layers)
        free = [_weights_of(shape, i) for i in range(1 if family.fixed_first else 0, shape.layers)]
        if self.by == "influence" and len(set(free)) > 1:
            largest = sorted(range(shape.layers), key=lambda i: -sum(part.elements for part in _weights_of(shape, i)))
            return replace(_shape_of_layers(shape, sorted(largest[: len(layers)])), exact=False)
        return new

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Copies the parent (or the teacher, where there is none) without the dropped layers."""
        source = patient(parent, ctx.teacher, "drop_layers")
        ctx.progress(0.0, "dropping layers")
        config = read_config(source.path)
        family = family_of(config)
        count = int(config[family.layers_key])
        layers = self._planned(family, count)
        kinds = layer_kinds(config, count)
        measured: dict[str, Any] = {}
        if self.by == "influence":
            influence = _influence(source, family, ctx)
            layers = most_influential(influence, len(layers), kinds, first=family.fixed_first)
            measured = {"influence": [round(value, 6) for value in influence]}
        elif not self.layers:
            layers = _of_every_kind(layers, kinds)
        if family.min_layers > 1 and kinds is not None and {kinds[i] for i in layers} != set(kinds):
            raise InputError(
                f"drop_layers: a {family.name} model must keep layers of every kind but layers {self.layers} are all "
                f"{kinds[layers[0]]}; add one of another kind"
            )
        arrays = _take(read_weights(source.path), family, layers)
        write_model(source, out, arrays, config_of_layers(config, family, layers))
        if ranks := read_ranks(source.path):
            (out / FACTORS).write_text(json.dumps(_take(ranks, family, layers), indent=1))
        shape = _shape_of_layers(source.manifest.shape, layers)
        return seal_child(source, out, shape, lineage(self, "drop_layers", source, ctx) | {"layers": layers} | measured)

    def _planned(self, family: Family, count: int) -> list[int]:
        """The layers to keep of ``count``; as many as, where influence is to choose them."""
        layers = _listed(self.layers) if self.layers else spaced(count, self.keep or 0)
        if len(layers) < family.min_layers:
            raise InputError(
                f"drop_layers: a {family.name} model must keep at least {family.min_layers} layers but keep is "
                f"{len(layers)}; raise keep"
            )
        if layers[-1] >= count:
            raise InputError(f"drop_layers: layers must be below {count} but {layers[-1]} is listed; leave it out")
        if family.fixed_first and layers[0] != 0:
            raise InputError(
                f"drop_layers: the first layer of a {family.name} model is made unlike the others and must stay, but "
                f"layers are {self.layers}; add 0"
            )
        return layers


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


def most_influential(
    influence: Sequence[float], keep: int, kinds: Sequence[str] | None = None, *, first: bool = False
) -> list[int]:
    """The ``keep`` layers of most influence, in their order; layer 0 among them if ``first``. A kind that would be missing
    takes the place of the least influential layer whose kind is there more than once.

    >>> most_influential([0.3, 0.1, 0.2, 0.4], 2), most_influential([0.1, 0.3, 0.2], 2, first=True)
    ([0, 3], [0, 1])
    """
    order = sorted(range(len(influence)), key=lambda i: (not (first and i == 0), -influence[i], i))
    chosen = order[:keep]
    of = list(kinds or [""] * len(influence))
    for missing in sorted(set(of) - {of[i] for i in chosen}):
        held = [of[i] for i in chosen]
        spare = [i for i in reversed(chosen) if held.count(of[i]) > 1 and not (first and i == 0)]
        if spare:
            chosen[chosen.index(spare[0])] = next(i for i in order if of[i] == missing)
    return sorted(chosen)


def _influence(source: Artifact, family: Family, ctx: BuildContext) -> list[float]:
    from pare.training.influence import block_influence

    module, rows = examined(source, family, ctx)
    found = block_influence(module, family, rows, threads=ctx.threads, progress=ctx.progress)
    return [float(value) for value in found]


def _listed(layers: str) -> list[int]:
    """The numbers of a list like "0,2,5", rising. Raises InputError where it is none, or a number comes twice."""
    found = [part.strip() for part in layers.split(",")]
    if not all(part.isdecimal() for part in found) or len({int(part) for part in found}) != len(found):
        raise InputError(f'drop_layers: layers must be different numbers like "0,2,5" but are {layers!r}')
    return sorted(map(int, found))


def _of_every_kind(layers: list[int], kinds: Sequence[str] | None) -> list[int]:
    """Spaced layers; the last gives way to one of a kind (local or global attention) that would be missing."""
    missing = set(kinds or ()) - {kinds[i] for i in layers} if kinds else set()
    if kinds and missing and len(layers) > 1:
        return sorted([*layers[:-1], max(i for i, kind in enumerate(kinds) if kind in missing)])
    return layers


def _shape_of_layers(shape: Shape, layers: Sequence[int]) -> Shape:
    new = {old: i for i, old in enumerate(layers)}
    parts = tuple(kept for part in shape.parts if (kept := _renamed(part, new)) is not None)
    attention = shape.attention_flops * len(layers) / shape.layers
    windows, cache = (tuple(values[i] for i in layers) if values else () for values in (shape.windows, shape.cache))
    return replace(
        shape,
        parts=parts,
        layers=len(layers),
        attention_flops=attention,
        windows=windows if any(windows) else (),
        cache=cache,
    )


def _weights_of(shape: Shape, layer: int) -> tuple[Part, ...]:
    """A layer's parts, without its number."""
    prefix = f"layers.{layer}."
    return tuple(replace(p, name=p.name.removeprefix(prefix)) for p in shape.parts if p.name.startswith(prefix))


def _renamed(part: Part, new: dict[int, int]) -> Part | None:
    match = re.fullmatch(r"layers\.(\d+)\.(.+)", part.name)
    if match is None:
        return part
    old = int(match[1])
    return replace(part, name=f"layers.{new[old]}.{match[2]}") if old in new else None


def _take(arrays: dict[str, Any], family: Family, layers: Sequence[int]) -> dict[str, Any]:
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
