"""``pare build`` and ``pare export`` on tiny models: what a recipe gives, what is shared, resumed and refused."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import pare
from pare import api, artifacts
from pare.data.task import Task
from pare.errors import InputError, Interrupted
from pare.methods.calibrate import Calibrate
from pare.search import compress
from pare.store import UserLedger
from pare.testing.tiny import tiny_decoder, tiny_encoder

pytest.importorskip("torch", reason="the build extra is not installed")

WORDS = {"card": "card plastic chip pin", "money": "money cash transfer fee", "phone": "phone mobile handset sim"}
FILLER = "please could you tell me what happens when anybody wants this today or tomorrow maybe later".split()  # noqa: SIM905
QUICK = "finetune:1 > drop_layers:1 > distil:1(copies=0)"


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


def texts(rows: int) -> list[tuple[str, str]]:
    rng = random.Random(0)
    made = []
    for i in range(rows):
        label = list(WORDS)[i % 3]
        words = [rng.choice(WORDS[label].split()), *rng.sample(FILLER, 6), str(rng.randrange(10**6))]
        rng.shuffle(words)
        made.append((" ".join(words), label))
    return made


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


# -- decoders ---------------------------------------------------------------------------------------------------------


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


@pytest.mark.usefixtures("timed")
def test_a_decoder_is_lowered_scored_in_bits_per_byte_and_timed(stories: Path, llama: Path, tmp_path: Path) -> None:
    assert api.kind_of_model(llama) == "generate"
    task = Task.of(stories, input="ask", target="say", kind="generate")
    found = api.build(llama, "lower", task, tmp_path / "small")
    assert (found.format, found.runtime) == ("openvino", "openvino")
    assert artifacts.read(tmp_path / "small").manifest.kind == "generate"
    assert found.quality is not None
    before, after, drop = found.quality.before, found.quality.after, found.quality.drop
    assert before is not None
    assert drop is not None
    assert (before.metric, after.metric, drop.metric) == ("bits_per_byte", "bits_per_byte", "drop")
    assert 0.5 < after.value < 20
    assert abs(drop.value) < 0.01
    assert found.measurement is not None
    assert found.measurement.figures["decode_tokens_per_s_batch_8"].value > 0
    assert UserLedger().looks([id for id, side in UserLedger().sides().items() if side == "test"]) == []
    assert found.before is not None
    assert found.before.runtime == "pytorch"
    with pytest.raises(InputError, match="find for kind generate is not there yet"):
        api.find(task, tmp_path / "run")


def test_a_decoder_is_a_plain_folder_for_others(
    stories: Path, llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = Task.of(stories, input="ask", target="say", kind="generate")
    api.build(llama, "lower", task, tmp_path / "small")
    api.export(tmp_path / "small", "hf", tmp_path / "hf")
    assert card_says(tmp_path / "hf", capsys).startswith("a prompt")
    api.export(tmp_path / "small", "gguf", tmp_path / "gguf", "q8_0")
    assert (tmp_path / "gguf" / "model.gguf").read_bytes()[:4] == b"GGUF"
    with pytest.raises(InputError, match="--width must be one of f32, f16, q8_0, q4_0 but got int8"):
        api.export(tmp_path / "small", "gguf", tmp_path / "other", "int8")
    with pytest.raises(InputError, match="a decoder has no ONNX form"):
        api.export(tmp_path / "small", "onnx", tmp_path / "onnx")


# -- export -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(base: Path, task: Task, tmp_path: Path) -> Callable[[str], Path]:
    def built(recipe: str) -> Path:
        api.build(base, recipe, task, tmp_path / "small")
        return tmp_path / "small"

    return built


def card_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the Python of an exported model's README prints."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    capsys.readouterr()
    exec(code, {})
    return capsys.readouterr().out


def test_an_encoder_is_read_by_transformers_and_sentence_transformers(
    small: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sentence_transformers")
    path = small("finetune:1 > drop_layers:2")
    found = api.export(path, "hf", tmp_path / "hf")
    assert found.files == tuple(sorted(found.files))
    assert found.source == artifacts.read(path).id
    assert card_says(tmp_path / "hf", capsys).strip() == pare.load(path).classify(["a text"])[0].label
    from transformers import AutoModel

    assert AutoModel.from_pretrained(tmp_path / "hf").config.num_hidden_layers == 2


@pytest.mark.usefixtures("fresh")
def test_a_lowered_encoder_is_exported_from_the_step_before(small: Callable[[str], Path], tmp_path: Path) -> None:
    path = small("finetune:1 > lower > calibrate:1.5(threshold=0)")
    found = api.export(path, "hf", tmp_path / "hf")
    assert found.source != artifacts.read(path).id
    assert (tmp_path / "hf" / "model.safetensors").is_file()
    for folder in api.all_builds():
        api.gc(folder)
    with pytest.raises(InputError, match="no step of a build here any more"):
        api.export(path, "hf", tmp_path / "again")


def test_an_encoder_becomes_onnx(
    small: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript")
    path = small("finetune:1")
    api.export(path, "onnx", tmp_path / "onnx")
    ours, theirs = pare.load(path, "pytorch"), pare.load(tmp_path / "onnx", "onnx")
    rows = [text for text, _ in texts(8)]
    assert np.allclose(ours.logits(rows), theirs.logits(rows), atol=1e-4)
    shown = np.array(re.findall(r"-?\d+\.\d+(?:e-?\d+)?", card_says(tmp_path / "onnx", capsys)), dtype=float)
    assert np.allclose(shown, ours.logits(["a text"])[0], atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "to", "words"),
    [
        ("finetune:1 > quantize:w8", "hf", "weights were changed there by quantize"),
        ("linear", "hf", "of format linear"),
        ("finetune:1", "pickle", "--to must be one of"),
    ],
)
def test_what_cannot_be_exported_says_why(
    small: Callable[[str], Path], tmp_path: Path, recipe: str, to: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        api.export(small(recipe), to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_factors_are_exported_as_nothing_else(
    stories: Path, llama: Path, base: Path, task: Task, tmp_path: Path
) -> None:
    api.build(base, "finetune:1 > lowrank(texts=8)", task, tmp_path / "encoder")
    written = Task.of(stories, input="ask", target="say", kind="generate")
    api.build(llama, "lowrank(texts=8)", written, tmp_path / "decoder")
    for path, to in (("encoder", "hf"), ("decoder", "hf"), ("decoder", "gguf")):
        with pytest.raises(InputError, match="low-rank factors"):
            api.export(tmp_path / path, to, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="lowrank needs dense matrices"):
        api.build(tmp_path / "decoder", "lowrank:0.3", written, tmp_path / "again")
    with pytest.raises(InputError, match="sparsify needs dense matrices"):
        api.build(tmp_path / "encoder", "sparsify", task, tmp_path / "again")


@pytest.mark.usefixtures("timed")
def test_a_gguf_file_is_scored_and_timed_one_text_at_a_time(stories: Path, llama: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    written = Task.of(stories, input="ask", target="say", kind="generate")
    found = api.build(llama, "lower:gguf", written, tmp_path / "small")
    assert found.runtime == "llamacpp"
    assert found.measurement is not None
    assert found.measurement.figures["decode_tokens_per_s_batch_1"].value > 0
    assert "decode_tokens_per_s_batch_8" not in found.measurement.figures


def test_tiny_decoders_are_shown_with_what_they_keep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pare.cli import main

    folder = tiny_decoder(tmp_path / "llama")
    with pytest.raises(SystemExit):
        main(["show", str(folder), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["kv_bytes_per_token_of_context"] == 2 * 3 * 2 * 8 * 2
    assert shown["model_class"] == 0
