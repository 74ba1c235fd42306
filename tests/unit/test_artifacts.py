from __future__ import annotations

from pathlib import Path

import pytest

from pare import artifacts
from pare.errors import InputError
from pare.types import Artifact, Part, Shape


def sealed(folder: Path, text: str = "weights") -> Artifact:
    folder.mkdir(parents=True)
    (folder / "model.bin").write_text(text)
    return artifacts.seal(folder, format="linear", labels=("a", "b"), shape=Shape("bert", (Part("head", 3),)))


def test_a_sealed_folder_is_read_back(tmp_path: Path) -> None:
    made = sealed(tmp_path / "a")
    assert artifacts.read(tmp_path / "a", verify=True) == made
    assert made.size_bytes == sum(path.stat().st_size for path in (tmp_path / "a").iterdir())


def test_the_same_content_has_the_same_id(tmp_path: Path) -> None:
    assert sealed(tmp_path / "a").id == sealed(tmp_path / "b").id
    assert sealed(tmp_path / "c", "other").id != sealed(tmp_path / "d").id


def test_a_changed_file_is_found(tmp_path: Path) -> None:
    sealed(tmp_path / "a")
    (tmp_path / "a" / "model.bin").write_text("changed")
    with pytest.raises(InputError, match="sha256 differs"):
        artifacts.read(tmp_path / "a", verify=True)


def test_a_missing_file_and_a_damaged_manifest_are_one_line(tmp_path: Path) -> None:
    sealed(tmp_path / "a")
    (tmp_path / "a" / "model.bin").unlink()
    with pytest.raises(InputError, match=r"model\.bin is missing"):
        artifacts.read(tmp_path / "a")
    (tmp_path / "a" / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        artifacts.read(tmp_path / "a")
    with pytest.raises(InputError, match="no artifact"):
        artifacts.read(tmp_path)


def test_the_store_puts_once_and_gets_back(tmp_path: Path) -> None:
    store = artifacts.Store(tmp_path / "store")
    with store.scratch() as scratch:
        put = store.put(sealed(scratch / "out"))
    with store.scratch() as scratch:
        assert store.put(sealed(scratch / "out")).path == put.path
    assert store.ids() == [put.id]
    assert store.get(put.id).manifest == put.manifest
    assert list(store.root.glob(".tmp-*")) == []


def test_removing_frees_and_sweeping_clears_what_a_kill_left(tmp_path: Path) -> None:
    store = artifacts.Store(tmp_path / "store")
    with store.scratch() as scratch:
        put = store.put(sealed(scratch / "out"))
    (store.root / ".tmp-left").mkdir()
    assert store.remove(put.id) == put.size_bytes
    store.sweep()
    assert list(store.root.iterdir()) == []
