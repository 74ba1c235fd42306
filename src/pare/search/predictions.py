"""Two models on one labelled file, for a proof by itself: artifacts, runs, or files of predicted labels."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pare import artifacts, runtimes
from pare.data.clean import keep_sealed
from pare.data.extra import seen_key
from pare.data.read import Columns, cell, rows
from pare.errors import InputError, nearest
from pare.evaluation.metrics import Metric
from pare.search.proving import Outcome, Sheet
from pare.search.study import artifact_at
from pare.types import SIDES, Artifact, Sample, Side

FIELDS = ("prediction", "label", "answer")
"""Columns in which a file of predictions may hold the predicted label, in order of preference."""


@dataclass(frozen=True)
class Judged:
    """Labelled rows as a test sees them, and what each model makes of them."""

    sheet: Sheet
    outcomes: tuple[Outcome, ...]


# -- before a look is booked ------------------------------------------------------------------------------------------


def labelled(data: Path, input: str, target: str) -> list[Sample]:
    """The rows of a file, in its order, each as a draw of its own.

    Raises InputError where it cannot be read, has no rows, or a row has no label.
    """
    found = list(rows(str(data), Columns(input, target)))
    if not found:
        raise InputError(f"{data} has no rows; a proof needs labelled rows")
    bare = next((row for row in found if not row.label), None)
    if bare is not None:
        raise InputError(f"{bare.file}, line {bare.line}: {target} is empty; label the row, or leave it out everywhere")
    return [kept.sample for kept in keep_sealed(found)]


def identity(path: Path) -> str:
    """The content hash of a file of predictions, or of the artifact that a folder stands for."""
    return artifacts.file_hash(path)[:16] if path.is_file() else _artifact(path).id


def check_models(models: Sequence[Path], samples: Sequence[Sample], measure: Metric) -> None:
    """Raises InputError where a model cannot be judged on these rows by this metric: a look at them would be wasted."""
    for path in models:
        if path.is_file() and measure.name == "brier":
            raise InputError(f"{measure.name} needs probabilities, and {path} holds labels only; use accuracy")
        check_labels(path, samples)


def check_labels(path: Path, samples: Sequence[Sample]) -> None:
    """Raises InputError where predictions do not match the rows one to one, or a model shares no label with them."""
    known: Sequence[str]
    if path.is_file():
        known = read_predictions(path)
        if len(known) != len(samples):
            raise InputError(
                f"{path} has {len(known)} predictions for {len(samples)} rows of data; "
                "they must match one to one, in order"
            )
    else:
        known = _artifact(path).manifest.labels
    if {sample.label for sample in samples}.isdisjoint(known):
        raise InputError(
            f"{path} must answer with the labels of the data but shares none with them: it says {known[0]!r}, "
            f"the data say {samples[0].label!r}; write them alike"
        )


def check_unseen(models: Sequence[Path], samples: Sequence[Sample], sides: Mapping[str, Side]) -> None:
    """Raises InputError where a model may have seen some of the rows: an earlier split recorded their ``sides``.

    Where a file of predictions comes from is not known, so two files are taken at their word.
    """
    if all(path.is_file() for path in models):
        return
    found_of = [sides.get(seen_key(sample.text), sides.get(sample.id)) for sample in samples]
    seen = Counter(side for side in found_of if side not in (None, "test"))
    if seen:
        found = ", ".join(f"{seen[side]} {side}" for side in SIDES if seen[side])
        raise InputError(
            f"rows of a proof must be new to both models but {seen.total()} of {len(samples)} were used by pare find "
            f"({found}); give rows that neither model has seen"
        )


def _artifact(path: Path) -> Artifact:
    if not path.exists():
        raise InputError(f"{path} does not exist; give an artifact's folder, a run's folder, or a file of predictions")
    return artifact_at(path)[1]


# -- after it ---------------------------------------------------------------------------------------------------------


def judged(samples: Sequence[Sample], measure: Metric, models: Sequence[Path]) -> Judged:
    """The models' answers to labelled rows. Call it after the ``check_`` functions, and after a look was booked."""
    found = [_answers(path, [sample.text for sample in samples]) for path in models]
    classes = tuple(sorted({sample.label for sample in samples}.union(*(labels for labels, _ in found))))
    index = {label: i for i, label in enumerate(classes)}
    truth = np.array([index[sample.label] for sample in samples], dtype=np.int64)
    ids = [sample.id for sample in samples]
    return Judged(Sheet(ids, ids, truth, classes), tuple(_outcome(measure, answer, index, truth) for answer in found))


Answer = tuple[Sequence[str], "NDArray[np.float32] | list[str]"]
"""(the labels a model knows, its logits as served or its predicted labels)."""


def _answers(path: Path, texts: Sequence[str]) -> Answer:
    if path.is_file():
        labels = read_predictions(path)
        return sorted(set(labels)), labels
    artifact = _artifact(path)
    engine = runtimes.load(artifact)
    try:
        logits = engine.logits(texts)
    finally:
        engine.close()
    return artifact.manifest.labels, logits / np.float32(artifact.manifest.decoding.get("temperature", 1.0))


def _outcome(measure: Metric, answer: Answer, index: dict[str, int], truth: NDArray[np.int64]) -> Outcome:
    labels, given = answer
    wide = np.full((len(truth), len(index)), -1e9, dtype=np.float32)
    if isinstance(given, list):
        wide[np.arange(len(truth)), [index[label] for label in given]] = 0.0
    else:
        wide[:, [index[label] for label in labels]] = given
    return Outcome(measure.values(wide, truth), wide.argmax(axis=1).astype(np.int64))


# -- files of predictions ---------------------------------------------------------------------------------------------


def read_predictions(path: Path) -> list[str]:
    """The predicted labels of a file, one a row: CSV or TSV with a column prediction, label or answer; JSON lines with
    such a field; or plain lines. A null is an empty label, which is never right.

    Raises InputError where the file is no UTF-8, a line does not parse, or no such column exists.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            return _table(path, "\t" if suffix == ".tsv" else ",")
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; give predictions as CSV, TSV, JSON lines or plain lines") from None
    if suffix in (".jsonl", ".ndjson"):
        return [_field(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    return [line.strip() for line in lines if line.strip()]


def _table(path: Path, delimiter: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            column = _column(path, table.fieldnames or ())
            return [(row[column] or "").strip() for row in table]
        except csv.Error as error:
            raise InputError(f"{path}, line {table.line_num} does not parse: {error}") from None


def _field(path: Path, number: int, line: str) -> str:
    try:
        record = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{path}, line {number} must be a JSON object: {error}") from None
    column = _column(path, list(record))
    return cell(record[column], column, str(path), number, True).strip()


def _column(path: Path, names: Sequence[str]) -> str:
    for field in FIELDS:
        if field in names:
            return field
    raise InputError(f"{path} has no column of predictions ({', '.join(FIELDS)}); {nearest('prediction', names)}")
