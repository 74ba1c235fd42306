"""A narrower model: fewer channels in every feed-forward, fewer heads in every attention, chosen by what they do on train
texts.

Importance by activations and one size for all layers are Minitron's (Muralidharan et al. 2024, arXiv:2407.14679, section 2);
how importance is measured, and how what is left makes up for what goes, is in ``methods/channels.py``. Distil afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from pare.errors import InputError
from pare.families import Family, family_of, read_config
from pare.families.resize import resized
from pare.methods.base import BuildContext
from pare.methods.channels import (
    Kept,
    Moments,
    channel_importance,
    cut_layer,
    cut_width,
    group_importance,
    largest,
    spread,
)
from pare.methods.lineage import lineage, seal_child
from pare.methods.surgery import examined, patient, read_weights, write_model
from pare.types import Artifact, DataFacts, Shape

HEAD = "head.safetensors"


@dataclass(frozen=True)
class Prune:
    """Keeps a share ``ffn`` of feed-forward channels, rounded to a ``multiple``, and a share ``heads`` of attention heads.

    Heads that share a key go together. An encoder's width is its heads times their size, so that with its heads goes the
    same share of its width. Raises InputError where a value is out of range, or nothing would go.
    """

    takes: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    gives: ClassVar[str] = ""

    ffn: Annotated[float, Meta(gt=0, le=1)] = 0.5
    heads: Annotated[float, Meta(gt=0, le=1)] = 1.0
    multiple: Annotated[int, Meta(ge=1, le=256)] = 8

    def __post_init__(self) -> None:
        for name in ("ffn", "heads"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise InputError(f"prune: {name} must be above 0 and at most 1 but is {value}; 0.5 keeps half")
        if self.multiple < 1:
            raise InputError(f"prune: multiple must be at least 1 but is {self.multiple}; 8 is usual")

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parts at their new sizes. Exact. Raises InputError where nothing would go."""
        family = family_of({"model_type": shape.family})
        inner = rounded(shape.inner, self.ffn, self.multiple)
        groups = _groups(shape, family, self.heads)
        if (inner, groups) == (shape.inner, shape.kv_heads):
            raise InputError(
                f"prune: ffn {self.ffn:g} of {shape.inner} channels in multiples of {self.multiple}, and heads "
                f"{self.heads:g} of {shape.kv_heads} that have keys of their own, keep everything; lower one of them"
            )
        heads = shape.heads // shape.kv_heads * groups
        width = shape.width if family.decoder else heads * shape.head_dim
        return resized(shape, family, inner=inner, heads=heads, kv_heads=groups, width=width)

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Cuts the parent (or the teacher, where there is none)."""
        source = patient(parent, ctx.teacher, "prune")
        ctx.progress(0.0, "pruning")
        config = read_config(source.path)
        family = family_of(config)
        old = source.manifest.shape
        new = self.reshape(old, DataFacts(classes=0, rows=0, tokens_per_row=0.0))
        arrays = read_weights(source.path)
        width = _cut(arrays, source, family, new, ctx)
        write_model(source, out, arrays, _config(config, family, old, new))
        if width is not None:
            head = load_file(source.path / HEAD)
            save_file(head | {"weight": np.ascontiguousarray(head["weight"][:, width])}, out / HEAD)
        return seal_child(source, out, new, lineage(self, "prune", source, ctx))


def rounded(size: int, share: float, multiple: int) -> int:
    """How many of ``size`` to keep: the nearest multiple to the share, at least one, at most all.

    >>> rounded(384, 0.5, 8), rounded(100, 0.5, 8), rounded(12, 0.7, 8)
    (192, 48, 8)
    """
    return min(size, max(1, int(share * size / multiple + 0.5)) * multiple)


def _groups(shape: Shape, family: Family, share: float) -> int:
    """How many heads with keys of their own to keep: the nearest to the share, of two the more. A decoder's heads must
    divide its width, or transformers reads no such config (Llama, Gemma).
    """
    each = shape.heads // shape.kv_heads
    fit = [n for n in range(1, shape.kv_heads) if not family.decoder or shape.width % (n * each) == 0]
    return min([*fit, shape.kv_heads], key=lambda n: (abs(n - share * shape.kv_heads), -n))


def _cut(
    arrays: dict[str, Any], source: Artifact, family: Family, new: Shape, ctx: BuildContext
) -> NDArray[np.intp] | None:
    """Cuts the arrays in place to the sizes of ``new``. Gives the channels of the model's width that stay, None for all."""
    from pare.training.statistics import input_moments

    old, m = source.manifest.shape, family.modules
    module, rows = examined(source, family, ctx)

    def layers() -> Iterator[tuple[str, Mapping[str, Moments]]]:
        read = input_moments(module, family, rows, threads=ctx.threads, progress=ctx.progress)
        return ((f"{family.layers}.{i}", moments) for i, moments in enumerate(read))

    def groups_of(prefix: str, moments: Mapping[str, Moments]) -> NDArray[np.float64]:
        return group_importance(arrays[f"{prefix}.{m.output}.weight"], moments[m.output], old.kv_heads)

    table = f"{family.head_table}.weight"
    shared = None
    if table in arrays and new.heads < old.heads:
        shared = largest(np.sum([_shares(groups_of(*layer)) for layer in layers()], axis=0), new.heads)
        arrays[table] = arrays[table][:, shared]
    stream = np.zeros(old.width)
    for prefix, moments in layers():
        groups = largest(groups_of(prefix, moments), new.kv_heads) if shared is None else shared
        channels = largest(channel_importance(arrays[f"{prefix}.{m.down}.weight"], moments[m.down]), new.inner)
        for path in dict.fromkeys((m.query, m.key, m.value, *m.up)):
            stream += _shares(channel_importance(arrays[f"{prefix}.{path}.weight"], moments[path]))
        kept = Kept(channels, spread(groups, old.heads // old.kv_heads), groups)
        cut_layer(arrays, prefix, family, old, kept, moments)
    if new.width == old.width:
        return None
    width = largest(stream, new.width)
    cut_width(arrays, family, old.width, width)
    return width


def _shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of one module as shares of their sum, so that modules can be added up."""
    total = float(scores.sum())
    return scores / total if total > 0 else scores


def _config(config: Mapping[str, Any], family: Family, old: Shape, new: Shape) -> dict[str, Any]:
    sizes: dict[str, Any] = {family.inner_key: new.inner, family.heads_key: new.heads, family.width_key: new.width}
    if family.decoder:
        sizes |= {"num_key_value_heads": new.kv_heads, "head_dim": new.head_dim}
    if family.projection is not None and int(config.get("embedding_size", old.width)) == old.width:
        sizes["embedding_size"] = new.width
    return {**config, **sizes}
