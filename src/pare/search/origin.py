"""What a recipe starts from: an artifact, a run's winner, or a base model in Hugging Face form."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pare.artifacts import MANIFEST, Store, seal
from pare.errors import InputError, MissingExtra
from pare.families import family_of, read_config
from pare.methods.base import BASE, TURN_LENGTH
from pare.methods.lineage import BUILDERS, versions_of
from pare.methods.recipe import Start
from pare.runtimes.modules import GRIDS
from pare.search import bases
from pare.search.study import LEDGER, TASK, artifact_at
from pare.store import Ledger
from pare.types import Artifact, Kind, Manifest

TAUGHT_BY = ("encoder", "decoder")
"""The formats of models that can teach others."""
DESCRIBED = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
"""What a folder says of its tokenizer and its chats beside ``tokenizer.json``: exports write it on."""


@dataclass(frozen=True)
class Origin:
    """``folder`` is where its files are. ``artifact`` is None for a base model; ``task`` is the task.yaml of a run."""

    name: str
    folder: Path
    artifact: Artifact | None
    decoder: bool
    task: Path | None = None

    @property
    def kind(self) -> Kind | None:
        """What it answers; None where that is for a head to say, which it has not."""
        if self.artifact is not None:
            return self.artifact.manifest.kind
        return "generate" if self.decoder else None

    @property
    def key(self) -> str:
        """What it is, for keys of builds: an artifact's id, or a hash of the base model's files."""
        return self.artifact.id if self.artifact is not None else bases.identity(self.folder)

    def start(self, classes: int, *, each_token: bool, taught: bool) -> Start:
        """Where a recipe begins. ``taught``: a teacher was named."""
        if self.artifact is not None:
            manifest = self.artifact.manifest
            taught = taught or manifest.format in TAUGHT_BY
            return Start(manifest.format, manifest.shape, taught, _done(manifest))
        config = read_config(self.folder)
        shape = family_of(config).shape(config, classes, each_token=each_token)
        return Start("decoder", shape, taught=True) if self.decoder else Start(BASE, shape, taught)


def find_origin(model: str) -> Origin:
    """What ``model`` names: the folder of an artifact or of a run, a base model's folder, its carried name or its hub id.

    Raises InputError where it is none of these, or of an unknown architecture.
    """
    path = Path(model)
    if (path / MANIFEST).is_file() or (path / LEDGER).is_file():
        name, artifact = artifact_at(path)
        task = path / TASK if (path / TASK).is_file() and (path / LEDGER).is_file() else None
        return Origin(name, artifact.path, artifact, artifact.manifest.kind == "generate", task)
    if path.is_file():
        raise InputError(f"{model} is a file; give the folder of a model, an artifact or a run, or a model's name")
    folder = bases.locate(model)
    return Origin(path.name, folder, None, family_of(read_config(folder)).decoder)


def take_in(origin: Origin, ledger: Ledger, store: Store) -> Artifact:
    """A base decoder as an artifact of format ``decoder``, in fp32 and one file, so that every method can work on it."""
    key = f"base:{origin.key}:{TURN_LENGTH}:{sorted(versions_of(BUILDERS).items())}"
    known = ledger.build(key)
    if known is not None and store.has(known[0]):
        return store.get(known[0])
    try:
        from pare.training.decoder import load_decoder, save_decoder
    except ImportError as error:
        raise MissingExtra(str(error.name), "build", "reading a decoder") from None
    config = read_config(origin.folder)
    tokenizer = origin.folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise InputError(f"{origin.folder} has no tokenizer.json; save the model's fast tokenizer beside it")
    shape = family_of(config).shape(config, 0)
    with store.scratch() as scratch:
        out = scratch / "out"
        save_decoder(load_decoder(origin.folder), out, tokenizer)
        for name in DESCRIBED:
            if (origin.folder / name).is_file():
                shutil.copyfile(origin.folder / name, out / name)
        made = seal(
            out,
            format="decoder",
            labels=(),
            shape=shape,
            max_length=min(TURN_LENGTH, shape.max_length),
            kind="generate",
            lineage={"parent": origin.name, "step": {"method": BASE, "params": {}}, "versions": versions_of(BUILDERS)},
        )
        found = store.put(made)
    ledger.add_build(key, found.id, 0.0)
    return found


def _done(manifest: Manifest) -> tuple[str, ...]:
    """What may be done once and was done, as far as the files show it."""
    quantised = any(part.bits < 16 for part in manifest.shape.parts)
    return ("quantisation",) if quantised or GRIDS in manifest.files else ()
