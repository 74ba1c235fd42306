"""Where builds keep their steps: found again by what they were built from, locked, and freed once they are finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from pare.artifacts import publish, read, seal
from pare.errors import InputError
from pare.search.workplace import OPEN, Workplace, all_builds, find_step, free, workplace
from pare.types import Artifact, Part, Shape

SHAPE = Shape("linear", (Part("features", 8),))


def put(place: Workplace, text: str) -> Artifact:
    with place.store.scratch() as scratch:
        out = scratch / "out"
        out.mkdir()
        (out / "weights").write_text(text)
        return place.store.put(seal(out, format="linear", labels=("a", "b"), shape=SHAPE))


def test_the_same_model_and_data_have_one_place() -> None:
    with workplace("owner/a model", "key", "data") as first, workplace("owner/a model", "key", "other") as second:
        assert first.path != second.path
        made = put(first, "w")
    with workplace("owner/a model", "key", "data") as again:
        assert again.store.ids() == [made.id]
    assert find_step(made.id) == made
    assert find_step("0" * 16) is None


def test_two_builds_in_one_place_wait_for_each_other() -> None:
    with workplace("m", "key"), pytest.raises(InputError, match="another pare is building in"), workplace("m", "key"):
        raise AssertionError("it was let in")


def test_only_what_is_finished_is_freed() -> None:
    with workplace("m", "key") as place:
        made = put(place, "w" * 1000)
        place.ledger.set_fact(OPEN, True)
    assert free(place.path) == (0, 0)
    assert find_step(made.id) is not None
    with workplace("m", "key") as place:
        place.ledger.set_fact(OPEN, False)
    assert free(place.path) == (1, made.size_bytes)
    assert all_builds() == []


def test_what_a_kill_left_is_swept() -> None:
    with workplace("m", "key") as place:
        (place.store.root / ".tmp-half").mkdir(parents=True)
    with workplace("m", "key") as place:
        assert not list(place.store.root.glob(".tmp-*"))


def test_an_artifact_is_published_whole_over_what_a_kill_left(tmp_path: Path) -> None:
    with workplace("m", "key") as place:
        made = put(place, "weights")
        (tmp_path / ".small.partial").mkdir()
        (tmp_path / ".small.partial" / "half").write_text("x")
        (tmp_path / "small").mkdir()
        published = publish(made, tmp_path / "small")
    assert published.id == read(tmp_path / "small", verify=True).id == made.id
    assert [path.name for path in tmp_path.iterdir()] == ["small"]
    assert not (tmp_path / "small" / "half").exists()
