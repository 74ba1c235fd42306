"""A built model in the form that others read: a Hugging Face folder, an ONNX graph, a GGUF file."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pare.artifacts import MANIFEST
from pare.errors import InputError, MissingExtra, nearest
from pare.families import read_config
from pare.families.pooling import read_pooling
from pare.methods.base import BuildContext
from pare.runtimes import this_device
from pare.runtimes.modules import read_ranks
from pare.search.card import card
from pare.search.study import artifact_at
from pare.search.workplace import find_step
from pare.types import Artifact

README = "README.md"
GGUF = "model.gguf"
TOKENIZER = "tokenizer_config.json"
SOURCES = ("encoder", "decoder")
"""Formats whose weights are as PyTorch holds them: what every export starts from."""
KEEPS = ("lower", "calibrate")
"""Methods that change no weight: before them the model is the same."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and where. ``source`` is the id of the artifact whose weights these are; ``notes`` are what a user
    should know of the form.
    """

    path: Path
    to: str
    source: str
    size_bytes: int
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()


def export(path: str | Path, to: str, out: Path, width: str | None) -> Exported:
    """Writes the artifact, or the run's winner, at ``path`` into the folder ``out``. ``width`` is for GGUF.

    Raises InputError where ``out`` is not empty, and where the model has no such form, with the reason.
    """
    if to not in FORMS:
        raise InputError(f"--to must be one of {', '.join(FORMS)} but got {to}; {nearest(to, FORMS)}")
    if width is not None and to != "gguf":
        raise InputError(f"--width is for gguf but --to is {to}; leave it out")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise InputError(f"--out {out} is there and is not empty; name another folder, or remove it")
    name, artifact = artifact_at(path)
    source = artifact if artifact.manifest.format == to else _source(artifact, str(path))
    if to != "onnx" and read_ranks(source.path):
        raise InputError(
            f"{path} has low-rank factors, which the form {to} cannot hold; export the model from before lowrank, or serve "
            "this one with pare"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        made = Path(scratch) / "out"
        made.mkdir()
        notes = FORMS[to](source, made, width)
        (made / README).write_text(card(name, to, source, str(out)), encoding="utf-8")
        made.replace(out)
    files = sorted(file for file in out.rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in files)
    return Exported(out, to, source.id, size, tuple(file.relative_to(out).as_posix() for file in files), notes)


def _source(artifact: Artifact, path: str) -> Artifact:
    """The artifact with the same weights in PyTorch's form: itself, or what it was lowered from, if that is still there."""
    found = artifact
    while found.manifest.format not in SOURCES:
        lineage = found.manifest.lineage
        step, parent = str(lineage.get("step", {}).get("method", "")), str(lineage.get("parent", ""))
        if step not in KEEPS:
            raise InputError(
                f"{path} is of format {artifact.manifest.format} and its weights were changed there by "
                f"{step or 'its maker'}, which other forms cannot hold; build the recipe without that step, and export that"
            )
        before = find_step(parent)
        if before is None:
            raise InputError(
                f"{path} is of format {artifact.manifest.format} and the model that it was lowered from ({parent}) is no "
                "step of a build here any more; build the recipe again without lower, and export that"
            )
        found = before
    return found


# -- forms --------------------------------------------------------------------------------------------------------------


def _hf(source: Artifact, out: Path, width: str | None) -> tuple[str, ...]:
    """A folder that ``AutoModel`` or ``AutoModelForCausalLM`` reads; of an encoder with a pooling also one that
    sentence-transformers reads, and the head beside it.
    """
    decoder = source.manifest.format == "decoder"
    _plain(source.path, decoder)
    shutil.copytree(source.path, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
    if not (out / TOKENIZER).is_file():
        described = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": source.manifest.max_length}
        (out / TOKENIZER).write_text(json.dumps(described | _special(out), indent=1))
    if decoder:
        return ()
    (out / "labels.json").write_text(json.dumps(source.manifest.labels, ensure_ascii=False, indent=1), encoding="utf-8")
    if source.manifest.kind != "tag":
        _describe_sentences(source, out)
    return ()


def _describe_sentences(source: Artifact, out: Path) -> None:
    """What sentence-transformers reads beside a backbone: its modules, and how token states become one vector."""
    config = read_config(out)
    width = int(config.get("hidden_size") or config.get("dim") or source.manifest.shape.width)
    pooling = read_pooling(out, "mean")
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (out / "modules.json").write_text(json.dumps(modules, indent=1))
    (out / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": source.manifest.max_length}))
    (out / "1_Pooling").mkdir(exist_ok=True)
    chosen = {
        f"pooling_mode_{name}": name == {"mean": "mean_tokens", "cls": "cls_token"}[pooling] for name in _POOLINGS
    }
    (out / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": width, **chosen}, indent=1))


_POOLINGS = ("cls_token", "mean_tokens")


def _special(folder: Path) -> dict[str, str]:
    """The special tokens that a tokenizer file marks, under the names that transformers has for them."""
    added = json.loads((folder / "tokenizer.json").read_bytes()).get("added_tokens", [])
    held = {str(token["content"]) for token in added}
    return {name: token for name, tokens in _TOKENS.items() for token in tokens if token in held}


_TOKENS: Mapping[str, tuple[str, ...]] = {
    "pad_token": ("<pad>", "[PAD]"),
    "unk_token": ("<unk>", "[UNK]"),
    "cls_token": ("[CLS]",),
    "sep_token": ("[SEP]",),
    "mask_token": ("<mask>", "[MASK]"),
    "bos_token": ("<s>",),
    "eos_token": ("</s>",),
}


def _plain(folder: Path, decoder: bool) -> None:
    """Raises InputError where transformers cannot read the weights as they are (low-rank factors, grids of levels)."""
    try:
        from transformers import AutoModel, AutoModelForCausalLM
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra(str(error.name), "build", "checking a Hugging Face folder") from None
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    kind = AutoModelForCausalLM if decoder else AutoModel
    _, info = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False, output_loading_info=True)
    odd = [*info["unexpected_keys"], *info["mismatched_keys"], *(k for k in info["missing_keys"] if "pooler" not in k)]
    if odd:
        raise InputError(
            f"{folder} has weights that transformers does not know ({odd[0]}: low-rank factors, or levels of a grid); "
            "export the model from before the step that made them, or serve this one with pare"
        )


def _onnx(source: Artifact, out: Path, width: str | None) -> tuple[str, ...]:
    if source.manifest.format == "onnx":
        shutil.copytree(source.path, out, dirs_exist_ok=True)
        return ()
    if source.manifest.format == "decoder":
        raise InputError(
            "a decoder has no ONNX form here: what was read would have no place in it; use --to gguf or hf"
        )
    from pare.methods.lower import Lower

    Lower("onnx").apply(source, _context(source, out), out)
    return ()


def _context(source: Artifact, folder: Path) -> BuildContext:
    """What lowering needs to know: no data, this machine's cores."""
    manifest = source.manifest
    return BuildContext(
        train=(),
        dev=(),
        labels=manifest.labels,
        base=source.path,
        teacher=None,
        seed=0,
        fidelity=1.0,
        threads=this_device().cores,
        cache=folder,
        progress=lambda share, words: None,
        kind=manifest.kind,
    )


def _gguf(source: Artifact, out: Path, width: str | None) -> tuple[str, ...]:
    if source.manifest.format == "gguf":
        if width is not None:
            raise InputError("--width is for what is no GGUF file yet, and this is one; leave it out")
        shutil.copyfile(source.path / GGUF, out / GGUF)
        return ()
    from pare.methods.gguf import Width, write_gguf

    chosen: Width | None = next((known for known in get_args(Width) if known == (width or "f16")), None)
    if chosen is None:
        raise InputError(f"--width must be one of {', '.join(get_args(Width))} but got {width}")
    return write_gguf(source.path, out / GGUF, width=chosen)


FORMS: Mapping[str, Callable[[Artifact, Path, str | None], tuple[str, ...]]] = {"hf": _hf, "onnx": _onnx, "gguf": _gguf}
