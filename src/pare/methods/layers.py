"""A parent's layers as torch modules: what methods share that change the linear modules of an encoder or a decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pare.errors import InputError, MissingExtra
from pare.families import Family, family_of, read_config
from pare.families.factors import refuse_factored
from pare.methods.base import BuildContext
from pare.methods.lineage import lineage, seal_child
from pare.types import Artifact, Shape

if TYPE_CHECKING:
    from torch import nn

    from pare.training.statistics import Moments


@dataclass(frozen=True)
class Layers:
    """``parent`` read into memory as ``model`` (an ``Encoder``, or a causal language model), to be changed and sealed."""

    parent: Artifact
    family: Family
    model: Any

    @classmethod
    def read(cls, method: str, parent: Artifact | None, ctx: BuildContext) -> Layers:
        """Reads the parent, or the teacher where there is none.

        Raises InputError where there is neither, or its matrices are low-rank factors, and MissingExtra without torch.
        """
        source = parent or ctx.teacher
        if source is None:
            raise InputError(f"{method} needs a trained model but there is none; put finetune or distil before it")
        refuse_factored(method, source.manifest.shape)
        try:
            import transformers  # noqa: F401

            from pare.training.decoder import load_decoder
            from pare.training.model import load_encoder
        except ImportError as error:
            raise MissingExtra(str(error.name), "build", f"{method} of a model") from None
        family = family_of(read_config(source.path))
        return cls(source, family, load_decoder(source.path) if family.decoder else load_encoder(source.path))

    @property
    def body(self) -> nn.Module:
        """The module that the family's paths start from."""
        return self.model if self.family.decoder else self.model.backbone

    @property
    def layers(self) -> list[nn.Module]:
        return list(self.body.get_submodule(self.family.layers))

    @property
    def paths(self) -> tuple[str, ...]:
        """The linear modules' paths inside a layer."""
        return self.family.modules.paths

    def moments(self, texts: int, ctx: BuildContext, *, diagonal: bool = False) -> Iterator[dict[str, Moments]]:
        """The second moments of the inputs of each layer's linear modules, on so many texts of train (``input_moments``)."""
        from pare.training.statistics import input_moments, token_rows

        manifest = self.parent.manifest
        rows = token_rows(self.parent.path, ctx.some_train(texts), manifest.max_length, manifest.kind)
        return input_moments(
            self.body,
            self.family,
            rows,
            threads=ctx.threads,
            progress=lambda share, word: ctx.progress(share / 2, word),
            diagonal=diagonal,
        )

    def save(self, out: Path) -> None:
        """Writes the changed model in the parent's format."""
        from pare.training.decoder import save_decoder
        from pare.training.model import save_encoder

        save = save_decoder if self.family.decoder else save_encoder
        save(self.model, out, self.parent.path / "tokenizer.json")

    def seal(self, method: Any, name: str, shape: Shape, ctx: BuildContext, out: Path, **more: Any) -> Artifact:
        """Seals what ``save`` wrote; ``more`` goes into the lineage."""
        return seal_child(self.parent, out, shape, lineage(method, name, self.parent, ctx) | more)
