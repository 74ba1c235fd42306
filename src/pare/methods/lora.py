"""Low-rank adapters: a few matrices are trained beside the model's own, then merged into them.

LoRA (Hu et al. 2022, arXiv:2106.09685, section 4.1): W + (alpha / rank) B A, where only A and B learn. The sum is taken in
full precision, before anything is quantised. The merged model is as large and as quick as its parent; what is small is the
adapter, so that one parent can serve several tasks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from pare.errors import InputError
from pare.families import family_of, read_config
from pare.methods.base import BASE, BuildContext
from pare.methods.lineage import lineage
from pare.methods.source import Source, finish, lesson, load, needs, source_of
from pare.types import Artifact, DataFacts, Shape

if TYPE_CHECKING:
    from pare.training.decoder import Decoder
    from pare.training.model import Encoder

ADAPTER = "adapter"
CONFIG = "adapter_config.json"
HEAD = "head.safetensors"
"""Beside an encoder's adapter: the head that was trained with it."""


@dataclass(frozen=True)
class Lora:
    """Trains adapters of ``rank`` on the layers' linear modules, on ``all`` of them or on those of ``attention``, scaled by
    ``alpha`` / ``rank``. An encoder's head is trained with them, at 10 times the ``rate``; everything else stays.

    ``keep``: the adapter stays beside the model, in the folder ``adapter`` (PEFT's form, with the id of its base).
    ``adapter`` is such a folder: it is merged as it is, without training. ``max_length``: see ``finetune``.
    """

    takes: ClassVar[tuple[str, ...]] = (BASE, "encoder", "decoder")
    gives: ClassVar[str] = ""

    rank: Annotated[int, Meta(ge=1, le=1024)] = 8
    alpha: Annotated[float, Meta(gt=0)] = 16.0
    epochs: Annotated[float, Meta(gt=0)] = 3.0
    rate: Annotated[float, Meta(gt=0, le=0.1)] = 5e-4
    targets: Literal["all", "attention"] = "all"
    batch: Annotated[int, Meta(ge=1)] = 32
    max_length: Annotated[int, Meta(ge=3)] | None = None
    keep: bool = False
    adapter: str = ""

    def passes(self, facts: DataFacts) -> float:
        """Texts trained on, in units of the train side: none where an adapter is given."""
        return 0.0 if self.adapter else self.epochs

    def reshape(self, shape: Shape, facts: DataFacts) -> Shape:
        """The parent's anatomy: adapters are merged. Exact."""
        return shape

    def apply(self, parent: Artifact | None, ctx: BuildContext, out: Path) -> Artifact:
        """Trains or reads the adapter, merges it in fp32, and writes a plain encoder or decoder.

        Raises MissingExtra without torch, transformers and peft, and InputError where an adapter is of another base.
        """
        needs("training adapters", "torch", "transformers", "peft")
        source = source_of(parent, ctx, self.max_length)
        model = load(source, ctx.seed)
        adapted = self._read(model, source) if self.adapter else self._train(model, source, ctx)
        out.mkdir(parents=True, exist_ok=True)
        if self.keep:
            _keep(adapted, model, source, out / ADAPTER)
        adapted.merge_and_unload()
        return finish(source, model, out, lineage(self, "lora", parent, ctx))

    def _train(self, model: Encoder | Decoder, source: Source, ctx: BuildContext) -> Any:
        import torch
        from peft import LoraConfig, get_peft_model

        from pare.training.losses import CrossEntropy
        from pare.training.trainer import Schedule, train

        torch.manual_seed(ctx.seed)
        config = LoraConfig(
            r=self.rank, lora_alpha=self.alpha, target_modules=self._modules(model, source), lora_dropout=0.0
        )
        adapted = get_peft_model(_body(model), config)
        rows, targets = lesson(source, ctx)
        train(
            model,
            rows,
            CrossEntropy(torch.from_numpy(targets), kind=source.kind),
            Schedule(self.epochs, self.rate, head_factor=10.0, batch=self.batch),
            seed=ctx.seed,
            fidelity=ctx.fidelity,
            threads=ctx.threads,
            progress=ctx.progress,
            word="adapting",
        )
        return adapted

    def _modules(self, model: Encoder | Decoder, source: Source) -> list[str]:
        """The names of the linear modules that get an adapter; those of a module in two factors are both."""
        from torch import nn

        family = family_of(read_config(source.path))
        known = family.modules
        paths = known.paths if self.targets == "all" else (known.query, known.key, known.value, known.output)
        wanted = [f"{family.layers}.{i}.{path}" for i in range(source.shape.layers) for path in dict.fromkeys(paths)]
        linear = [name for name, module in _body(model).named_modules() if isinstance(module, nn.Linear)]
        return [name for name in linear if any(name == path or name.startswith(f"{path}.") for path in wanted)]

    def _read(self, model: Encoder | Decoder, source: Source) -> Any:
        """The model with the adapter of a folder in it, and its head."""
        from peft import PeftModel
        from safetensors.torch import load_file

        folder = Path(self.adapter)
        if not (folder / CONFIG).is_file():
            raise InputError(
                f"lora: adapter must be a folder with {CONFIG} but {folder} has none; lora(keep=true) keeps one"
            )
        base = json.loads((folder / CONFIG).read_bytes()).get("base_model_name_or_path")
        if base != source.id:
            raise InputError(
                f"lora: adapter must be of {source.id}, which it is merged into, but {folder} is of {base}; give that"
            )
        if not source.decoder:
            model.head.load_state_dict(load_file(folder / HEAD))
        return PeftModel.from_pretrained(_body(model), folder)


def _body(model: Encoder | Decoder) -> Any:
    """The Hugging Face module in which adapters are put."""
    from pare.training.decoder import Decoder

    return model.module if isinstance(model, Decoder) else model.backbone


def _keep(adapted: Any, model: Encoder | Decoder, source: Source, folder: Path) -> None:
    """Writes the adapter, the same bytes for the same weights: peft's own config lists the modules in no order."""
    from safetensors.torch import save_file

    adapted.save_pretrained(folder, save_embedding_layers=False)
    config = json.loads((folder / CONFIG).read_bytes())
    config["base_model_name_or_path"] = source.id
    config["target_modules"] = sorted(config["target_modules"])
    (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True))
    (folder / "README.md").unlink(missing_ok=True)
    if not source.decoder:
        state = {name: array.detach().contiguous() for name, array in model.head.state_dict().items()}
        save_file(state, folder / HEAD)
