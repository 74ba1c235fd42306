"""The anatomy of a model: where its numbers and its work are, from its shape alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pare.planner import estimate
from pare.planner.anatomy import active_parameters, kv_bytes_per_token, model_class
from pare.report.figures import NONE, count, share
from pare.types import Part, Shape
from pare.units import megabytes

GROUPS = ("embeddings", "attention", "ffn", "head", "features", "rest")


@dataclass(frozen=True, slots=True)
class Group:
    """Parts of one kind. ``share`` is of all parameters."""

    name: str
    parameters: int
    bytes: float
    share: float
    flops_per_token: float
    flops_per_request: float


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A model's parts. ``weight_bytes`` follows from elements and bits, ``size_bytes`` is what the files hold, if known.

    ``active_parameters`` are those that one token uses. ``attention_flops_per_token_of_context`` comes on top of
    ``flops_per_token`` for every token of context, and so does what a decoder keeps of it: ``kv_bytes_per_token_of_context``
    (keys and values of all layers at 16 bits), None for other models. ``windows`` are the tokens that each layer looks back
    to, 0 for all; empty where every layer does. ``exact`` is False where the parts are an upper bound.
    """

    family: str
    model_class: int
    parameters: int
    active_parameters: int
    weight_bytes: float
    size_bytes: int | None
    layers: int
    width: int
    vocabulary: int
    max_length: int
    flops_per_token: float
    attention_flops_per_token_of_context: float
    kv_bytes_per_token_of_context: int | None
    windows: tuple[int, ...]
    exact: bool
    groups: tuple[Group, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; sizes in bytes."""
        return asdict(self)

    def rows(self) -> list[list[str]]:
        """A heading, a row for each group and a total: part, parameters, share, bytes, FLOPs a token. Of a built model
        also what its files hold beside the weights, and all of them.
        """
        heading = ["part", "parameters", "share", "bytes", "FLOPs a token"]
        body = [
            [g.name, f"{g.parameters:,}", share(g.share), megabytes(g.bytes), _work(g.flops_per_token)]
            for g in self.groups
        ]
        total = ["total", f"{self.parameters:,}", share(1.0), megabytes(self.weight_bytes), _work(self.flops_per_token)]
        return [heading, *body, total, *self._files()]

    def _files(self) -> list[list[str]]:
        if self.size_bytes is None:
            return []
        beside = max(0.0, self.size_bytes - self.weight_bytes)
        return [
            ["graph, tokenizer and manifest", "", "", megabytes(beside), ""],
            ["all files", "", "", megabytes(self.size_bytes), ""],
        ]

    def sentence(self) -> str:
        """The model in one line."""
        most = "" if self.exact else "at most "
        depth = f", {self.layers} layers of width {self.width}" if self.layers else ""
        files = "" if self.size_bytes is None else f"; its files hold {megabytes(self.size_bytes)}"
        mixed = self.active_parameters != self.parameters
        active = f", of which a token uses {self.active_parameters:,}" if mixed else ""
        return (
            f"{self.family or 'model'}: {most}{self.parameters:,} parameters (class {self.model_class}){active}{depth}, "
            f"{most}{megabytes(self.weight_bytes)} of weights{self._bits()}{files}{self._cache()}"
        )

    def _bits(self) -> str:
        """The mean bits of a weight, in words."""
        return f" at {8 * self.weight_bytes / self.parameters:.3g} bits" if self.parameters else ""

    def _cache(self) -> str:
        kept = self.kv_bytes_per_token_of_context
        if kept is None:
            return ""
        narrow = [window for window in self.windows if 0 < window < self.max_length]
        bound = f", in {len(narrow)} of {self.layers} layers of the last {max(narrow):,} tokens only" if narrow else ""
        return f"; a token of context keeps {kept:,} bytes of keys and values at 16 bits{bound}"


def anatomy(shape: Shape, size_bytes: int | None = None) -> Anatomy:
    """The anatomy of a shape. ``size_bytes`` is the size of the model's files where it was built."""
    total = estimate.parameters(shape)
    kept = kv_bytes_per_token(shape)
    by_group = {name: [part for part in shape.parts if group_of(part) == name] for name in GROUPS}
    return Anatomy(
        family=shape.family,
        model_class=model_class(total),
        parameters=total,
        active_parameters=active_parameters(shape),
        weight_bytes=estimate.weight_bytes(shape),
        size_bytes=size_bytes,
        layers=shape.layers,
        width=shape.width,
        vocabulary=shape.vocabulary,
        max_length=shape.max_length,
        flops_per_token=sum(part.flops_per_token for part in shape.parts),
        attention_flops_per_token_of_context=shape.attention_flops,
        kv_bytes_per_token_of_context=None if kept is None else round(kept),
        windows=shape.windows,
        exact=shape.exact,
        groups=tuple(_group(name, parts, total) for name, parts in by_group.items() if parts),
    )


def show(found: Anatomy) -> None:
    """Prints an anatomy on standard output."""
    from pare.report.terminal import console, grid

    heading, *body = found.rows()
    out = console()
    out.print(found.sentence(), markup=False)
    bold = {number: "bold" for number, row in enumerate(body) if row[0] in ("total", "all files")}
    out.print(grid(heading, body, bold))


def group_of(part: Part) -> str:
    """Which group a part belongs to, by its name."""
    if part.name.startswith("embeddings"):
        return "embeddings"
    if part.name in ("features", "scales"):
        return "features"
    if part.name in ("head", "bias"):
        return "head"
    last = part.name.rpartition(".")[2]
    return last if last in ("attention", "ffn") else "rest"


def _group(name: str, parts: list[Part], total: int) -> Group:
    elements = sum(part.elements for part in parts)
    return Group(
        name=name,
        parameters=elements,
        bytes=sum(part.elements * part.bits / 8 for part in parts),
        share=elements / total if total else 0.0,
        flops_per_token=sum(part.flops_per_token for part in parts),
        flops_per_request=sum(part.flops_per_request for part in parts),
    )


def _work(flops: float) -> str:
    return count(flops) if flops else NONE
