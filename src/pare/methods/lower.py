"""A model becomes a graph that a runtime serves without torch: token ids in, logits out.

Of an encoder, pooling and head are inside the graph and token types are zero inside; of a decoder, what was read
(``lowering_decoder``). Batch and length stay dynamic, weights stay fp32 (both exporters would halve them silently). The
graph is compared with the module it came from before it is sealed.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError, MissingExtra, PareError
from pare.methods.base import NO_FACTS, BuildContext
from pare.methods.gguf import Width, gguf_shape, lower_gguf
from pare.methods.graphs import grid_conversion, write_onnx, write_openvino
from pare.methods.lineage import lineage, seal_child
from pare.methods.quiet import quiet
from pare.runtimes import load, this_device
from pare.runtimes.base import Engine
from pare.runtimes.openvino import OpenVino
from pare.runtimes.pytorch import PyTorch
from pare.types import Artifact, DataFacts, Part, Shape

if TYPE_CHECKING:
    import torch
    from torch import Tensor

TOKENIZER = "tokenizer.json"
TOLERANCE = 2e-3
"""The largest difference of a logit, relative to the largest logit, that float arithmetic in another order explains."""
FLIPS = 0.04
"""The share of roundings of inputs that a difference in the last place may move to the next point of their grid, where one
that is moved moves others behind it. MiniLM's six layers, trained in int8, differ as if 0.011 were moved.
"""

Check = Callable[[Artifact, Artifact, Sequence[str], int], None]
"""Compares parent and child on texts, with so many threads; raises PareError where they differ."""

_WHY = {
    "onnx": "lower writes decoders as OpenVINO graphs or GGUF, which keep what was read; ONNX has no such state: "
    "use lower:openvino",
    "gguf": "GGUF is for decoders, and this is an encoder: use lower:openvino",
}


_NAMES = {"onnx": "ONNX", "gguf": "GGUF"}

TAKES: Mapping[str, tuple[str, ...]] = {
    "openvino": ("encoder", "encoder-qat", "decoder", "decoder-qat"),
    "onnx": ("encoder",),
    "gguf": ("decoder",),
}
"""What each format is written of. ONNX has no state in which a decoder would keep what it has read."""


@dataclass(frozen=True)
class Lower:
    """``to``: the format to write: ``openvino``, ``onnx`` for encoders, ``gguf`` for decoders.

    ``width``: how a GGUF file stores its matrices, f16 where it is not given.
    """

    once: ClassVar[str] = "lowering"

    to: Literal["openvino", "onnx", "gguf"] = "openvino"
    width: Width | None = None

    def __post_init__(self) -> None:
        if self.width and self.to != "gguf":
            raise InputError(f"lower: width is for gguf but to is {self.to}; leave it out, and quantize afterwards")

    @property
    def takes(self) -> tuple[str, ...]:
        return TAKES[self.to]

    @property
    def gives(self) -> str:
        return self.to

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The same parts: fp32 in, fp32 out, but for GGUF's matrices, and integers for what was trained on grids."""
        if self.to == "gguf":
            return gguf_shape(shape, self.width or "f16")
        return replace(shape, parts=tuple(map(_lowered, shape.parts)))

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Exports an artifact of format ``encoder`` or ``decoder`` and seals the format ``to``.

        Raises InputError where the parent is of another format, or has no such form, MissingExtra without the exporter, and
        PareError where the graph's answers differ from the parent's.
        """
        if parent is None or parent.manifest.format not in TAKES["openvino"]:
            found = parent.manifest.format if parent else "nothing"
            raise InputError(
                f"lower needs an artifact of format encoder or decoder but got {found}; put finetune or distil before it"
            )
        if self.to in _NAMES and parent.manifest.format.endswith("-qat"):
            raise InputError(
                f"lower: qat imitates OpenVINO's kernels, so its model has no {_NAMES[self.to]} form; use lower:openvino"
            )
        if parent.manifest.format not in self.takes:
            raise InputError(_WHY[self.to])
        if self.to == "gguf":
            width: Width = self.width or "f16"
            return lower_gguf(parent, ctx, out, width, lineage(replace(self, width=width), "lower", parent, ctx))
        ctx.progress(0.0, f"lowering to {self.to}")
        try:
            write = _decoder if parent.manifest.kind == "generate" else self._encoder
            with quiet():
                check = write(parent, out)
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", "lowering a model") from None
        shutil.copyfile(parent.path / TOKENIZER, out / TOKENIZER)
        shape = self.reshape(parent.manifest.shape, NO_FACTS)
        artifact = seal_child(parent, out, shape, lineage(self, "lower", parent, ctx), format=self.to)
        check(parent, artifact, [sample.text for sample in ctx.train[:24]], ctx.threads)
        return artifact

    def _encoder(self, parent: Artifact, out: Path) -> Check:
        from pare.training.model import load_encoder

        module = load_encoder(parent.path).eval()
        (_to_openvino if self.to == "openvino" else _to_onnx)(module, out)
        return _check


def _decoder(parent: Artifact, out: Path) -> Check:
    from pare.methods.lowering_decoder import check, to_openvino, write_config
    from pare.training.decoder import load_decoder

    to_openvino(load_decoder(parent.path), out)
    write_config(parent.path, out)
    return check


def _to_openvino(module: torch.nn.Module, out: Path) -> None:
    """``torch.export`` and ``convert_model``; tracing to TorchScript fails on transformers 5 (its mask code)."""
    import openvino
    import torch

    program = torch.export.export(_eager(module), _example(), dynamic_shapes=_dynamic())
    model = openvino.convert_model(program, extension=[grid_conversion()])
    for port, name in zip(model.inputs, ("input_ids", "attention_mask"), strict=True):
        port.get_tensor().set_names({name})
    model.outputs[0].get_tensor().set_names({"logits"})
    write_openvino(model, out)


def _lowered(part: Part) -> Part:
    return part if part.lowered is None else replace(part, bits=part.lowered, lowered=None)


def _to_onnx(module: torch.nn.Module, out: Path) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise MissingExtra(str(error.name), "onnx", "exporting to ONNX") from None
    program = torch.onnx.export(
        _eager(module),
        _example(),
        dynamo=True,
        dynamic_shapes=_dynamic(),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        verbose=False,
    )
    write_onnx(program, out)


def _eager(module: torch.nn.Module) -> torch.nn.Module:
    """The module as it is exported: no gradients, dropout off."""
    return module.eval().requires_grad_(False)


def _example() -> tuple[Tensor, Tensor]:
    """Two rows of different lengths, so that the mask stays in the graph. Ids below 5 are in every vocabulary."""
    import torch

    ids = torch.ones(2, 7, dtype=torch.int64)
    mask = torch.ones(2, 7, dtype=torch.int64)
    mask[1, 4:] = 0
    return ids, mask


def _dynamic() -> tuple[dict[int, Any], dict[int, Any]]:
    import torch

    free = torch.export.Dim.DYNAMIC
    return {0: free, 1: free}, {0: free, 1: free}


def _check(parent: Artifact, child: Artifact, texts: Sequence[str], threads: int) -> None:
    """Compares answers on padded batches and on single texts of several lengths, without what pads texts of fewer words.

    A model on grids is compared without the rounding on the fly of weight-only layers, which no grid describes.
    """
    texts = [*texts, "", "a", " ".join(texts)[:2000]]
    on_grids = parent.manifest.format == "encoder-qat"
    ours = load(child, child.manifest.format, threads)
    if on_grids:
        ours = cast(Engine, OpenVino(group=0).load(child, this_device(), threads))
    single = [ours.logits([text])[0] for text in texts]

    def batch(engine: Engine) -> NDArray[np.floating[Any]]:
        rows = engine.logits(texts)
        engine.close()
        return np.concatenate([row[: len(one)].ravel() for row, one in zip(rows, single, strict=True)])

    expected = batch(load(parent, "pytorch", threads))
    found = np.stack([batch(ours), np.concatenate([one.ravel() for one in single])])
    largest = float(np.abs(expected).max())
    if on_grids:
        plain = cast(Engine, PyTorch(rounds=False).load(parent, this_device(), threads))
        differs = _spread(found - expected)
        tolerance = TOLERANCE * largest + most_of_flips(_spread(batch(plain) - expected))
    else:
        differs, tolerance = float(np.abs(found - expected).max()), TOLERANCE * max(1.0, largest)
    if not differs <= tolerance:
        raise PareError(
            f"the {child.manifest.format} graph's logits differ from PyTorch's by {differs:.3g} but another order of sums "
            f"explains {tolerance:.3g}; this architecture does not lower faithfully: leave it out of the candidates"
        )


def most_of_flips(rounding: float) -> float:
    """How far flipped roundings may move logits, root mean square, where rounding itself moves them by ``rounding``.

    Rounding to a step s leaves an error of variance s² / 12. Where a share f of the roundings goes to the next point, the
    difference has variance f s². What follows treats both alike: their sizes in the logits are as sqrt(12 f) to 1.
    """
    return math.sqrt(12 * FLIPS) * rounding


def _spread(differences: NDArray[np.floating[Any]]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(differences, dtype=np.float64))))
