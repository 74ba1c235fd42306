"""``pare build`` and ``pare export`` on tiny models: what a recipe gives, what is shared, resumed and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import pare
from pare import api, artifacts
from pare.data.task import Task
from pare.errors import InputError, Interrupted
from pare.methods.calibrate import Calibrate
from pare.store import UserLedger
from pare.testing.building import WORDS, texts

pytest.importorskip("torch", reason="the build extra is not installed")

QUICK = "finetune:1 > drop_layers:1 > distil:1(copies=0)"


class Told:
    """A listener that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, step: object) -> None:
        self.steps.append(f"{step.candidate} {step.words}")  # type: ignore[attr-defined]

    def finished(self, study: object, trial: object) -> None:
        raise AssertionError("there is no trial")


@pytest.mark.usefixtures("timed")
def test_a_recipe_is_built_scored_measured_and_written(base: Path, task: Task, tmp_path: Path) -> None:
    told = Told()
    found = api.build(base, f"{QUICK} > quantize(ranges=16)", task, tmp_path / "small", listener=told)
    assert [step.step for step in found.steps] == [
        "finetune:1.0", "drop_layers:1", "distil:1.0(copies=0)", "lower", "quantize(ranges=16)"
    ]  # fmt: skip
    assert [bool(step.why) for step in found.steps] == [False, False, False, True, False]
    assert "lower was put in: quantize works on the graph that is served" in told.said
    assert any(step.startswith("step 3 of 5 distil") for step in told.steps)
    artifact = artifacts.read(tmp_path / "small", verify=True)
    assert (artifact.id, artifact.size_bytes, found.format) == (found.artifact, found.size_bytes, "openvino")
    assert found.ratio == found.fp32_bytes / found.size_bytes
    assert found.fp32_bytes > 4 * sum(part.elements for part in found.shape.parts)
    assert found.quality is not None
    before, after, drop = found.quality.before, found.quality.after, found.quality.drop
    assert before is not None
    assert drop is not None
    assert drop.value == pytest.approx(before.value - after.value)
    assert drop.low <= drop.value <= drop.high
    assert found.measurement is not None
    assert found.before is not None
    assert (found.before.runtime, found.measurement.runtime) == ("pytorch", "openvino")
    assert found.before.artifact == found.steps[0].artifact
    assert found.measurement.figures["latency_p50_ms"].provenance == "measured"
    assert pare.load(tmp_path / "small").classify(["my cash"])[0].label in WORDS


@pytest.mark.usefixtures("fresh")
def test_recipes_share_steps_and_the_same_command_changes_nothing(base: Path, task: Task, tmp_path: Path) -> None:
    first = api.build(base, "finetune:1 > drop_layers:1", task, tmp_path / "a")
    second = api.build(base, "finetune:1 > drop_layers:2", task, tmp_path / "b")
    assert [step.known for step in first.steps] == [False, False]
    assert [step.known for step in second.steps] == [True, False]
    again = api.build(base, "finetune:1 > drop_layers:1", task, tmp_path / "a")
    assert all(step.known for step in again.steps)
    assert (again.artifact, again.quality) == (first.artifact, first.quality)


@pytest.mark.usefixtures("fresh")
def test_the_sealed_side_is_recorded_and_not_read(base: Path, task: Task, tmp_path: Path) -> None:
    api.build(base, "linear", task, tmp_path / "a")
    user = UserLedger()
    sides = user.sides()
    sealed = [id for id, side in sides.items() if side == "test"]
    assert len(sides) == 150
    assert sealed
    assert user.looks(sealed) == []


def test_a_recipe_goes_on_from_an_artifact_which_teaches(base: Path, task: Task, tmp_path: Path) -> None:
    trained = api.build(base, "finetune:1", task, tmp_path / "trained")
    assert trained.quality is not None
    assert trained.quality.before is None
    found = api.build(tmp_path / "trained", "drop_layers:2 > distil:1(copies=0)", task, tmp_path / "small")
    assert artifacts.read(tmp_path / "small").manifest.lineage["teacher"] == trained.artifact
    assert found.quality is not None
    assert found.quality.before == trained.quality.after
    deeper = api.build(
        tmp_path / "small", "drop_layers:1 > distil:1(copies=0)", task, tmp_path / "x", teacher=tmp_path / "trained"
    )
    assert artifacts.read(tmp_path / "x").manifest.lineage["teacher"] == trained.artifact
    assert deeper.artifact != found.artifact


def test_vectors_start_from_the_base_and_are_no_student(base: Path, task: Task, tmp_path: Path) -> None:
    found = api.build(base, "static(epochs=1, width=8, tokens=300)", task, tmp_path / "a")
    assert (found.format, found.runtime, len(found.steps)) == ("static", "arrays", 1)
    with pytest.raises(InputError, match="takes format encoder or format decoder but is given format static"):
        api.build(tmp_path / "a", "distil", task, tmp_path / "b")


# -- stopped and killed -----------------------------------------------------------------------------------------------


STEPS = "linear > calibrate:2(threshold=0)"


@pytest.mark.usefixtures("fresh")
def test_ctrl_c_keeps_the_finished_steps(
    base: Path, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Calibrate, "apply", stopped)
        with pytest.raises(Interrupted, match="run the same command again"):
            api.build(base, STEPS, task, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert [api.gc(path) for path in api.all_builds()] == [(0, 0)]
    found = api.build(base, STEPS, task, tmp_path / "a")
    assert [step.known for step in found.steps] == [True, False]
    (folder,) = api.all_builds()
    removed, freed = api.gc(folder)
    assert removed == 2
    assert freed > found.size_bytes
    assert api.all_builds() == []
    assert artifacts.read(tmp_path / "a", verify=True).id == found.artifact


KILLED = """
import os, signal, sys
from pare import api
from pare.data.task import Task
from pare.methods.calibrate import Calibrate
def killed(self, parent, ctx, out):
    (out / "half").write_text("written")
    os.kill(os.getpid(), signal.SIGKILL)
Calibrate.apply = killed
base, data, out, recipe = sys.argv[1:]
api.build(base, recipe, Task.of(data, input="text", target="label"), out)
"""


@pytest.mark.usefixtures("fresh")
def test_a_killed_build_goes_on_where_it_was(base: Path, data: Path, task: Task, tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, base, data, tmp_path / "a", STEPS], check=False)
    assert killed.returncode == -9
    (folder,) = api.all_builds()
    assert list((folder / "artifacts").glob(".tmp-*"))
    found = api.build(base, STEPS, task, tmp_path / "a")
    assert [step.known for step in found.steps] == [True, False]
    assert not list((folder / "artifacts").glob(".tmp-*"))
    assert artifacts.read(tmp_path / "a", verify=True).id == found.artifact


# -- what is refused --------------------------------------------------------------------------------------------------


def test_what_is_in_the_way_is_refused_before_training(base: Path, task: Task, tmp_path: Path) -> None:
    api.build(base, "finetune:1", task, tmp_path / "a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    for out, words in (("full", "is not empty"), ("a", "another artifact")):
        with pytest.raises(InputError, match=words):
            api.build(base, "finetune:2", task, tmp_path / out)
    assert (tmp_path / "full" / "file").read_text() == "mine"


def test_models_and_data_must_fit(base: Path, task: Task, tmp_path: Path) -> None:
    api.build(base, "finetune:1", task, tmp_path / "a")
    other = tmp_path / "other.csv"
    other.write_text("text,label\n" + "".join(f"{text} x,{label}s\n" for text, label in texts(90)))
    with pytest.raises(InputError, match="knows the labels card, money, phone"):
        api.build(tmp_path / "a", "lower", Task.of(other, input="text", target="label"), tmp_path / "b")
    with pytest.raises(InputError, match="an encoder, which writes no text"):
        api.build(base, "finetune", Task.of(other, target="text", kind="generate"), tmp_path / "b")
    with pytest.raises(InputError, match=r"give --data"):
        api.build(base, "finetune", None, tmp_path / "b")
    with pytest.raises(InputError, match=r"is of kind classify but the task is of kind generate"):
        api.build(tmp_path / "a", "lower", Task.of(other, target="text", kind="generate"), tmp_path / "b")
