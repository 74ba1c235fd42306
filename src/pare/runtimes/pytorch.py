"""PyTorch: the reference runtime, fp32 and eager, as most people serve an encoder today. Decoders are in ``torch_decoder``.
No other runtime imports torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pare.errors import InputError, MissingExtra
from pare.runtimes.base import Engine, Generator
from pare.runtimes.modules import read_head, read_module
from pare.runtimes.tagging import scorer
from pare.runtimes.text import Ids, Infer, Logits, TextEngine, Tokens
from pare.types import Artifact, Device, Support

TOKENIZER = "tokenizer.json"
FORMATS = ("encoder", "encoder-qat", "decoder", "decoder-qat")


class PyTorch:
    """The runtime of the formats ``encoder`` and ``encoder-qat``, a Hugging Face backbone, a pooling and a linear head, and
    ``decoder`` and ``decoder-qat``.

    ``rounds``: whether the inputs of layers that were trained on grids are rounded, as the graph that will serve them does.
    """

    name = "pytorch"

    def __init__(self, rounds: bool = True) -> None:
        self._rounds = rounds

    def supports(self, artifact: Artifact, device: Device) -> Support:
        form = artifact.manifest.format
        if form in FORMATS:
            return Support(True)
        return Support(False, f"it serves the formats encoder and decoder, not {form}")

    def load(self, artifact: Artifact, device: Device, threads: int) -> Engine | Generator:
        for package in ("torch", "transformers"):
            try:
                __import__(package)
            except ImportError:
                raise MissingExtra(package, "build", "running a model in PyTorch") from None
        import torch

        manifest = artifact.manifest
        facts = {"runtime": f"torch {torch.__version__}", "precision": "f32", "threads": str(threads)}
        if manifest.kind == "generate":
            from pare.runtimes import torch_decoder

            return torch_decoder.load(artifact, threads, facts)
        infer = _forward(artifact.path, threads, self._rounds)
        tokens = Tokens(artifact.path / TOKENIZER, manifest.max_length)
        return TextEngine(artifact, scorer(manifest.kind, manifest.labels, tokens, infer), facts)


def _forward(folder: Path, threads: int, rounds: bool) -> Infer:
    """The backbone, pooling and head of a folder as one call."""
    import torch

    try:
        backbone, head = (module.eval() for module in (read_module(folder), read_head(folder)))
        if not rounds:
            for module in (*backbone.modules(), *head.modules()):
                if hasattr(module, "input_grid"):
                    module.input_grid = None
        pooling = json.loads((folder / "pooling.json").read_bytes())["pooling"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{folder} cannot be loaded ({str(error).splitlines()[0]}); build the artifact again"
        ) from None
    pool = {"cls": _first, "none": _each}.get(pooling, _mean)

    def infer(ids: Ids, mask: Ids) -> Logits:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        kept = torch.from_numpy(mask)
        with torch.inference_mode():
            hidden = backbone(input_ids=torch.from_numpy(ids), attention_mask=kept).last_hidden_state
            logits: Logits = head(pool(hidden, kept)).numpy()
        return logits

    return infer


def _first(hidden: Any, mask: Any) -> Any:
    return hidden[:, 0]


def _each(hidden: Any, mask: Any) -> Any:
    return hidden


def _mean(hidden: Any, mask: Any) -> Any:
    kept = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * kept).sum(1) / kept.sum(1).clamp(min=1.0)
