"""Two models on one labelled file, for a proof by itself: artifacts, runs, or files of predicted labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pare import artifacts, runtimes
from pare.data.clean import keep_sealed
from pare.data.read import Columns, cell, rows
from pare.errors import InputError, nearest
from pare.evaluation.metrics import Metric
from pare.search.proving import Outcome, Sheet
from pare.search.space import REFERENCE
from pare.search.study import LEDGER, Study
from pare.types import Artifact

FIELDS = ("prediction", "label", "answer")
"""Columns in which a file of predictions may hold the predicted label, in order of preference."""


@dataclass(frozen=True)
class Judged:
    """Labelled rows, and what each model makes of them. Identities are content hashes."""

    sheet: Sheet
    outcomes: tuple[Outcome, ...]
    identities: tuple[str, ...]


def judged(data: Path, input: str, target: str, measure: Metric, models: Sequence[Path]) -> Judged:
    """Reads labelled rows and the models' answers to them.

    Raises InputError where a model is neither an artifact, a run nor a file of predictions; where a file's rows do not
    match the data's; or where a metric needs more than labels and a file has only those.
    """
    labelled = list(rows(str(data), Columns(input, target)))
    if not labelled:
        raise InputError(f"{data} has no rows; a proof needs labelled rows")
    bare = next((row for row in labelled if not row.label), None)
    if bare is not None:
        raise InputError(f"{bare.file}, line {bare.line}: {target} is empty; label the row, or leave it out everywhere")
    samples = [kept.sample for kept in keep_sealed(labelled)]
    found = [_answers(path, [sample.text for sample in samples]) for path in models]
    classes = tuple(sorted({sample.label for sample in samples}.union(*(labels for labels, _, _ in found))))
    index = {label: i for i, label in enumerate(classes)}
    truth = np.array([index[sample.label] for sample in samples], dtype=np.int64)
    outcomes = tuple(_outcome(path, measure, answer, index, truth) for path, answer in zip(models, found, strict=True))
    ids = [sample.id for sample in samples]
    sheet = Sheet(ids, ids, truth, classes)
    return Judged(sheet, outcomes, tuple(identity for _, _, identity in found))


Answer = tuple[tuple[str, ...], "NDArray[np.float32] | list[str]", str]
"""(the labels a model knows, its logits or its predicted labels, its identity)."""


def _answers(path: Path, texts: Sequence[str]) -> Answer:
    if path.is_file():
        labels = read_predictions(path)
        if len(labels) != len(texts):
            raise InputError(
                f"{path} has {len(labels)} predictions for {len(texts)} rows of data; they must match one to one, in order"
            )
        return tuple(sorted(set(labels))), labels, artifacts.file_hash(path)[:16]
    artifact = _artifact(path)
    engine = runtimes.load(artifact)
    try:
        return artifact.manifest.labels, engine.logits(texts), artifact.id
    finally:
        engine.close()


def _artifact(path: Path) -> Artifact:
    if (path / LEDGER).is_file():
        study = Study.open(path)
        try:
            winner = study.winner
            return study.deployed(winner.candidate.name if winner else REFERENCE)
        finally:
            study.close()
    if not path.exists():
        raise InputError(f"{path} does not exist; give an artifact's folder, a run's folder, or a file of predictions")
    return artifacts.read(path)


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


def _outcome(path: Path, measure: Metric, answer: Answer, index: dict[str, int], truth: NDArray[np.int64]) -> Outcome:
    labels, given, _ = answer
    wide = np.full((len(truth), len(index)), -1e9, dtype=np.float32)
    if isinstance(given, list):
        if measure.name == "brier":
            raise InputError(f"{measure.name} needs probabilities, and {path} holds labels only; use accuracy")
        wide[np.arange(len(truth)), [index[label] for label in given]] = 0.0
    else:
        wide[:, [index[label] for label in labels]] = given
    return Outcome(measure.values(wide, truth), wide.argmax(axis=1).astype(np.int64))
