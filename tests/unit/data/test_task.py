import contextlib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.data.fields import FIELDS, flag
from pare.data.task import Task, with_flags
from pare.errors import InputError
from pare.types import Bar, Budget, DataSpec, Limits

MINIMAL = "data: {path: rows.csv, input: text, target: intent}\n"


def parse(text: str, **kwargs: object) -> Task:
    return Task.parse(text, **kwargs)  # type: ignore[arg-type]


def test_defaults() -> None:
    task = parse(MINIMAL)
    assert task == Task(name="rows", data=DataSpec("rows.csv", "text", "intent"))
    assert (task.bar.within, task.bar.at_least, task.minimise) == (None, None, "size")
    assert task.candidates == ("linear", "static", "encoder", "students")


def test_everything_round_trips() -> None:
    task = Task(
        name="support",
        data=DataSpec("./a b.csv", "text", "intent: x", "customer", "channel", "sent", "./t.csv", "other", 0.4),
        bar=Bar(within=0.03, metric="balanced_accuracy", confidence=0.9),
        reference="./runs/x",
        base="intfloat/e5-small",
        candidates=("linear", "students:1,2"),
        limits=Limits(5.5, 100.0, 4.0, 200.0, 5_000_000, 10.0, 1.5, Decimal("0.0010")),
        minimise="latency",
        budget=Budget(15.0),
        seed=7,
    )
    again = parse(task.to_yaml())
    paths = (again.data.path, again.data.test, again.reference)
    assert paths == ("a b.csv", "t.csv", "runs/x")
    assert parse(again.to_yaml()).to_yaml() == again.to_yaml()
    assert again.limits == task.limits
    assert again.bar == task.bar
    assert again.candidates == task.candidates


@settings(deadline=None)
@given(st.text(min_size=1).filter(lambda s: s.strip() and "\n" not in s and "\0" not in s))
def test_any_column_name_survives_yaml(column: str) -> None:
    if column == "target":
        return
    task = Task("x", DataSpec("rows.csv", column, "target"))
    try:
        again = parse(task.to_yaml())
    except InputError:
        pytest.fail("written but not read")
    assert again == task


def test_defaults_are_written_as_comments() -> None:
    text = parse(MINIMAL).to_yaml()
    assert "# minimise: size" in text
    assert "#   within: null" in text


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "support"
    folder.mkdir()
    (folder / "task.yaml").write_text(MINIMAL + "base: ./encoder\n")
    task = Task.read(folder / "task.yaml")
    assert task.data.path == str(folder / "rows.csv")
    assert task.base == str(folder / "encoder")
    assert task.name == "support"
    (tmp_path / "copy.yaml").write_text(task.to_yaml(tmp_path))
    assert Task.read(tmp_path / "copy.yaml") == task


def test_a_hub_id_stays() -> None:
    assert parse("data: {path: owner/name, input: a, target: b}").data.path == "owner/name"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            MINIMAL + "bar: {within: 2}",
            "task.yaml: bar.within must be between 0 and 1 (absolute points) but got 2; write 0.02 for two points",
        ),
        (
            MINIMAL + "bar: {confidence: 95}",
            "task.yaml: bar.confidence must be above 0.5 and below 1 but got 95; write 0.95",
        ),
        (MINIMAL + "bar: {within: 0.1, at_least: 0.9}", "cannot both be set; keep one"),
        (
            MINIMAL + "bar: {metric: acuracy}",
            "task.yaml: bar.metric must be a known metric but got acuracy; did you mean accuracy",
        ),
        (MINIMAL + "limits: {size: 3}", "task.yaml: there is no field limits.size; did you mean size_mb?"),
        (
            MINIMAL + "limits: {size_mb: -3}",
            "task.yaml: limits.size_mb must be a number above 0 (megabytes) but got -3",
        ),
        (MINIMAL + "limits: {size_mb: true}", "but got true"),
        (MINIMAL + "limits: {size_mb: .nan}", "limits.size_mb must be a number above 0"),
        (MINIMAL + "limits: 3", "task.yaml: limits must hold keys and values but got 3"),
        (MINIMAL + "minimize: size", "there is no field minimize; did you mean minimise"),
        (MINIMAL + "minimise: bytes", 'must be one of size, latency, cost, energy but got "bytes"'),
        (MINIMAL + "candidates: [linar]", "did you mean linear?"),
        (MINIMAL + "candidates: [linear:1]", "write students:1,2"),
        (MINIMAL + "candidates: []", "task.yaml: candidates must be a list of candidates but got []"),
        (MINIMAL + "seed: 1.5", "task.yaml: seed must be a whole number, 0 or above but got 1.5"),
        (MINIMAL + "kind: translate", "kind must be one of classify"),
        (MINIMAL + "name: a/b", "name must be letters, digits"),
        (MINIMAL + "seed: 1\nseed: 2", "task.yaml, line 3: seed is there twice; keep one"),
        ("data: {path: a.csv, input: text}", "task.yaml: data.target is missing; add it under data"),
        ("data: {path: a.csv, input: t, target: t}", "another column than the input"),
        ("data:\n  path: [a", "task.yaml, line 2 is not YAML"),
        ("", "must hold keys and values"),
        ("- a", "must hold keys and values"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, metrics={"accuracy", "balanced_accuracy"})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda s: (MINIMAL + s).encode("utf-8", "replace")))
def test_any_bytes_are_a_task_or_an_input_error(raw: bytes) -> None:
    with contextlib.suppress(InputError):
        Task.parse(raw)


def test_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "support.yaml").write_text(MINIMAL)
    with pytest.raises(InputError, match=r"does not exist; did you mean support.yaml\?"):
        Task.read(tmp_path / "suport.yaml")
    with pytest.raises(InputError):
        Task.read(tmp_path)


def test_depths_that_yaml_cuts_at_the_comma() -> None:
    assert parse(MINIMAL + "candidates: [linear, students:1,2]").candidates == ("linear", "students:1,2")


def test_numbers_that_yaml_reads_as_text() -> None:
    assert parse(MINIMAL + "limits: {energy_j: 1e-3, cost_per_1k: 0.10}").limits == Limits(
        energy_j=0.001, cost_per_1k=Decimal("0.1")
    )


def test_of_and_flags() -> None:
    task = Task.of("data/messages.csv", input="text", target="intent", within=0.03, size_mb=5, candidates=["linear"])
    assert (task.name, task.bar.within, task.limits.size_mb, task.candidates) == ("messages", 0.03, 5.0, ("linear",))
    with pytest.raises(InputError, match="there is no flag --witin; did you mean within"):
        Task.of("a.csv", input="a", target="b", witin=1)
    with pytest.raises(InputError, match=r"--within must be between 0 and 1"):
        Task.of("a.csv", input="a", target="b", within=2)


def test_with_flags_replaces_fields() -> None:
    task = Task.of("a.csv", input="a", target="b", at_least=0.9)
    changed = with_flags(task, {"bar.within": 0.03, "seed": None, "budget.minutes": 4})
    assert changed.bar == Bar(within=0.03)
    assert changed.budget.minutes == 4.0
    assert with_flags(task, {}) == task
    with pytest.raises(InputError, match=r"no field bar\.witin; did you mean bar\.within"):
        with_flags(task, {"bar.witin": 1})
    with pytest.raises(InputError, match="--metric must be a known metric"):
        with_flags(task, {"bar.metric": "f"}, metrics=["accuracy"])


def test_the_table_covers_every_field() -> None:
    assert {flag(name) for name in FIELDS} >= {"--within", "--latency-p95-ms", "--test-share"}
    assert len({flag(name) for name in FIELDS}) == len(FIELDS)
    for part, kind in (("data", DataSpec), ("bar", Bar), ("limits", Limits), ("budget", Budget)):
        assert {f"{part}.{name}" for name in kind.__slots__} == {n for n in FIELDS if n.startswith(part + ".")}


def test_a_task_that_tags_words_needs_no_columns() -> None:
    task = Task.of("train.conll", kind="tag", test="test.annotated")
    assert (task.data.input, task.data.target, task.bar.metric) == ("word", "tag", "sentence_f1")
    assert Task.parse(task.to_yaml(), name=task.name) == task
    named = Task.parse("kind: tag\ndata: {path: a.jsonl, input: tokens, target: tags}\n", name="a")
    assert (named.data.input, named.data.target) == ("tokens", "tags")
    with pytest.raises(InputError, match="--input must be a column's name but got null"):
        Task.of("train.conll")
    with pytest.raises(InputError, match=r"data\.input is missing"):
        Task.parse("data: {path: train.conll}\n")


def test_the_metric_is_by_default_that_of_the_kind() -> None:
    task = Task.of("a.csv", input="text", target="label", kind="multilabel")
    assert task.bar.metric == "example_f1"
    assert "#   metric: example_f1" in task.to_yaml()
    again = parse(task.to_yaml())
    assert (again.kind, again.bar) == (task.kind, task.bar)
    assert with_flags(task, {"kind": "classify"}).bar.metric == "accuracy"
    own = Task.of("a.csv", input="text", target="label", kind="multilabel", metric="hamming")
    assert with_flags(own, {"bar.within": 0.1}).bar.metric == "hamming"
    assert "  metric: hamming" in own.to_yaml()


@pytest.mark.parametrize(("given", "a_month"), [("1,500k/month", 1.5e6), ("1,234,567.5", 1_234_567.5), ("1.5M", 1.5e6)])
def test_commas_in_a_volume_part_thousands(given: str, a_month: float) -> None:
    assert Task.of("a.csv", input="text", target="label", volume=given).volume == pytest.approx(a_month)


@pytest.mark.parametrize("given", ["1,5M/month", "1,50", "1234,567", "1,2345", ",500", "1,500,"])
def test_a_decimal_comma_is_no_volume(given: str) -> None:
    with pytest.raises(InputError, match="--volume must be requests a month, or a rate but got"):
        Task.of("a.csv", input="text", target="label", volume=given)


def test_what_is_for_one_label_only_is_refused_for_other_kinds() -> None:
    with pytest.raises(InputError, match="--reference column:NAME must be of kind classify but got kind multilabel"):
        Task.of("a.csv", input="text", target="label", kind="multilabel", reference="column:answer")
    with pytest.raises(InputError, match="--rare must be quarantine for kind tag but got other"):
        Task.of("a.csv", input="text", target="label", kind="tag", rare="other")


# -- kind generate ----------------------------------------------------------------------------------------------------


def test_a_task_of_texts_needs_no_prompts() -> None:
    task = Task.parse("kind: generate\ndata: {path: a.jsonl, target: story}")
    assert (task.data.input, task.bar.metric) == ("", "bits_per_byte")
    assert Task.parse(task.to_yaml(), name="a") == task


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("bar: {metric: accuracy}", "bar.metric must be bits_per_byte for kind generate"),
        ("reference: column:answer", "must be of kind classify"),
    ],
)
def test_a_task_of_texts_refuses_what_is_for_labels(more: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Task.parse(f"kind: generate\ndata: {{path: a.jsonl, target: story}}\n{more}")


def test_a_task_of_texts_has_no_other_rows_to_train_on() -> None:
    with pytest.raises(InputError, match=r"data\.unlabelled is for kinds with labels"):
        Task.parse("kind: generate\ndata: {path: a.jsonl, target: story, unlabelled: b.txt}")


def test_other_kinds_need_a_column_of_texts() -> None:
    with pytest.raises(InputError, match=r"data\.input must be a column's name for kind classify"):
        Task.parse("data: {path: a.jsonl, input: '', target: label}")
