"""Tiny models and data for ``pare build``, and a user's folder that the tests of a file share."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pare.data.task import Task
from pare.search import compress
from pare.testing.building import FILLER, texts
from pare.testing.tiny import tiny_decoder, tiny_encoder

pytest.importorskip("torch", reason="the build extra is not installed")


@pytest.fixture
def timed() -> None:
    """For a test that wants its artifact measured."""


@pytest.fixture
def fresh() -> None:
    """For a test that wants a user's folder of its own; the others share the steps that were built."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _shared_user_folder(
    _own_user_folder: None, home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if "fresh" not in request.fixturenames:
        monkeypatch.setenv("PARE_HOME", str(home))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "timed" not in request.fixturenames:
        monkeypatch.setattr(compress, "_measured", lambda *given: (None, None))
    monkeypatch.setattr(compress, "MEASURED_SECONDS", 0.02)
    monkeypatch.setattr(compress, "MEASURED_TOKENS", 4)
    monkeypatch.setattr(compress, "ROUNDS", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in texts(150)))
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("base") / "bert", words=[text for text, _ in texts(150)])


@pytest.fixture
def task(data: Path) -> Task:
    return Task.of(data, input="text", target="label")


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(1)
    rows = [{"ask": f"tell {i} {rng.randrange(10**6)}", "say": " ".join(rng.sample(FILLER, 8))} for i in range(60)]
    path = tmp_path_factory.mktemp("stories") / "stories.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder(tmp_path_factory.mktemp("decoder") / "llama", words=[*FILLER, "tell"])


@pytest.fixture
def card_says(capsys: pytest.CaptureFixture[str]) -> Callable[[Path], str]:
    def says(folder: Path) -> str:
        """What the Python of an exported model's README prints."""
        (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
        capsys.readouterr()
        exec(code, {})
        return capsys.readouterr().out

    return says
