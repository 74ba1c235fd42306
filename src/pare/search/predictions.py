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
from pare.data import Sealed
from pare.data.cells import target_cell
from pare.data.clean import keep_sealed, refuse_several, unpaired
from pare.data.extra import seen_key
from pare.data.fields import check
from pare.data.read import Columns, rows
from pare.errors import InputError, nearest
from pare.evaluation.metrics import Logits, Metric, bar_metric, metric
from pare.kinds import TaskKind, classes_of, kind_of
from pare.search.proving import Outcome, Sheet, judge, kind_of_test, outcome_of, plan_id
from pare.search.study import artifact_at
from pare.store import UserLedger
from pare.types import SIDES, Artifact, Kind, ProofPlan, Sample, Side, Verdict

FIELDS = ("prediction", "label", "answer")
"""Columns in which a file of predictions may hold the predicted label, in order of preference."""


NEVER = -1e9
"""The logit of what is never given."""


@dataclass(frozen=True)
class Judged:
    """Labelled rows as a test sees them, and what each model makes of them."""

    sheet: Sheet
    outcomes: tuple[Outcome, ...]


# -- before a look is booked ------------------------------------------------------------------------------------------


def kind_of_models(models: Sequence[Path], metric_name: str | None) -> Kind:
    """What the models answer: as their artifacts say, else as the metric does. Raises InputError where they disagree."""
    said = {path: _artifact(path).manifest.kind for path in models if not path.is_file()}
    if len(set(said.values())) > 1:
        found = ", ".join(f"{path} is of kind {kind}" for path, kind in said.items())
        raise InputError(f"both models must be of one kind but {found}; compare models of one task")
    return next(iter(said.values()), metric(metric_name).kind if metric_name else "classify")


def labelled(data: Path, input: str, target: str, kind: Kind) -> list[Sample]:
    """The rows of a file, in its order, each as a draw of its own.

    Raises InputError where it cannot be read, has no rows, a row has no label or none that fits its text, or one label was
    expected and cells hold several.
    """
    found = list(rows(str(data), Columns(input, target, kind=kind)))
    if not found:
        raise InputError(f"{data} has no rows; a proof needs labelled rows")
    bare = next((row for row in found if not row.label), None)
    if bare is not None:
        raise InputError(f"{bare.file}, line {bare.line}: {target} is empty; label the row, or leave it out everywhere")
    for row in found:
        if why := unpaired(row, kind):
            raise InputError(
                f"{row.file}, line {row.line}: {target} must hold one tag a word but has {why}; mend the row"
            )
    if kind == "classify":
        refuse_several(found, instead="give --metric example_f1")
    return [kept.sample for kept in keep_sealed(found)]


def identity(path: Path) -> str:
    """The content hash of a file of predictions, or of the artifact that a folder stands for."""
    return artifacts.file_hash(path)[:16] if path.is_file() else _artifact(path).id


def check_models(models: Sequence[Path], samples: Sequence[Sample], measure: Metric) -> None:
    """Raises InputError where a model cannot be judged on these rows by this metric: a look at them would be wasted."""
    for path in models:
        if path.is_file() and measure.name == "brier":
            raise InputError(f"{measure.name} needs probabilities, and {path} holds labels only; use accuracy")
        check_labels(path, samples, measure.kind)


def check_labels(path: Path, samples: Sequence[Sample], kind: Kind) -> None:
    """Raises InputError where predictions do not match the rows one to one, or a model shares no label with them."""
    known: Sequence[str]
    if path.is_file():
        given = read_predictions(path, kind)
        if len(given) != len(samples):
            raise InputError(
                f"{path} has {len(given)} predictions for {len(samples)} rows of data; "
                "they must match one to one, in order"
            )
        if kind == "tag":
            _check_lengths(path, given, samples)
        known = classes_of(kind_of(kind), given)
    else:
        known = _artifact(path).manifest.labels
    asked = classes_of(kind_of(kind), (sample.label for sample in samples))
    if known and asked and set(asked).isdisjoint(known):
        raise InputError(
            f"{path} must answer with the labels of the data but shares none with them: it says {known[0]!r}, "
            f"the data say {asked[0]!r}; write them alike"
        )


def _check_lengths(path: Path, given: Sequence[str], samples: Sequence[Sample]) -> None:
    for number, (cell, sample) in enumerate(zip(given, samples, strict=True), start=1):
        if len(cell.split()) != len(sample.label.split()):
            raise InputError(
                f"{path}, prediction {number} must be a tag for each of {len(sample.label.split())} words but has "
                f"{len(cell.split())} tags; give all of them, O where a word is part of nothing"
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
    kind, cells = kind_of(measure.kind), [sample.label for sample in samples]
    found = [_answers(path, kind, [sample.text for sample in samples]) for path in models]
    classes = tuple(sorted({*classes_of(kind, cells)}.union(*(labels for labels, _ in found))))
    truth = kind.targets(cells, classes)
    ids = [sample.id for sample in samples]
    outcomes = tuple(outcome_of(measure, _widened(answer, classes), truth, classes) for answer in found)
    return Judged(Sheet(ids, ids, truth, classes), outcomes)


Answer = tuple[Sequence[str], Logits]
"""(the classes a model knows, its logits as served or those of its predictions)."""


def _answers(path: Path, kind: TaskKind, texts: Sequence[str]) -> Answer:
    if path.is_file():
        cells = read_predictions(path, kind.name)
        labels = classes_of(kind, cells)
        return labels, _certain(kind, kind.targets(cells, labels), len(labels))
    artifact = _artifact(path)
    engine = runtimes.load(artifact)
    try:
        logits = engine.logits(texts)
    finally:
        engine.close()
    return artifact.manifest.labels, logits / np.float32(artifact.manifest.decoding.get("temperature", 1.0))


def _certain(kind: TaskKind, decided: NDArray[np.int64], classes: int) -> Logits:
    """Logits that decide so, without a doubt."""
    if kind.name == "multilabel":
        return np.where(decided == 1, -NEVER, NEVER).astype(np.float32)
    logits = np.where(decided[..., None] == np.arange(classes), 0.0, NEVER)
    return np.where(decided[..., None] < 0, np.nan, logits).astype(np.float32)


def _widened(answer: Answer, classes: Sequence[str]) -> Logits:
    """Logits over all classes; one that a model does not know is never given."""
    labels, given = answer
    index = {label: i for i, label in enumerate(classes)}
    wide = np.full((*given.shape[:-1], len(classes)), NEVER, dtype=np.float32)
    wide[..., [index[label] for label in labels]] = given
    wide[np.isnan(given).any(axis=-1)] = np.nan
    return wide


# -- files of predictions ---------------------------------------------------------------------------------------------


def read_predictions(path: Path, kind: Kind) -> list[str]:
    """The predicted cells of a file, one a row: CSV or TSV with a column prediction, label or answer; JSON lines with
    such a field; or plain lines. A null is an empty label, which is never right; of several labels it is none.

    Raises InputError where the file is no UTF-8, a line does not parse, or no such column exists.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            return _table(path, "\t" if suffix == ".tsv" else ",", kind)
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; give predictions as CSV, TSV, JSON lines or plain lines") from None
    if suffix in (".jsonl", ".ndjson"):
        return [_field(path, number, line, kind) for number, line in enumerate(lines, start=1) if line.strip()]
    return [_cell(line, kind, "a prediction", path, i) for i, line in enumerate(lines, start=1) if line.strip()]


def _cell(text: str, kind: Kind, column: str, path: Path, line: int) -> str:
    """A text as a predicted cell. One label is what it is, brackets and all."""
    return text.strip() if kind == "classify" else target_cell(text, kind, column, str(path), line)


def _table(path: Path, delimiter: str, kind: Kind) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file, delimiter=delimiter, strict=True)
        try:
            column = _column(path, table.fieldnames or ())
            return [_cell(row[column] or "", kind, column, path, table.line_num) for row in table]
        except csv.Error as error:
            raise InputError(f"{path}, line {table.line_num} does not parse: {error}") from None


def _field(path: Path, number: int, line: str, kind: Kind) -> str:
    try:
        record = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{path}, line {number} must be a JSON object: {error}") from None
    column = _column(path, list(record))
    return target_cell(record[column], kind, column, str(path), number)


def _column(path: Path, names: Sequence[str]) -> str:
    for field in FIELDS:
        if field in names:
            return field
    raise InputError(f"{path} has no column of predictions ({', '.join(FIELDS)}); {nearest('prediction', names)}")


# -- the proof alone --------------------------------------------------------------------------------------------------


def prove(
    candidate: Path,
    against: Path,
    data: Path,
    input: str,
    target: str,
    within: float,
    metric_name: str | None,
    confidence: float,
) -> Verdict:
    """The proof alone (``pare.api.prove``): reads the rows, freezes a plan, books the look and judges."""
    within = check("bar.within", within, "within")
    confidence = check("bar.confidence", confidence, "confidence")
    models = [candidate, against]
    kind = kind_of_models(models, metric_name)
    measure = bar_metric(metric_name or kind_of(kind).metric, kind)
    samples = labelled(data, input, target, kind)
    check_models(models, samples, measure)
    rows = Sealed(sorted(samples, key=lambda sample: sample.id))
    plan = ProofPlan(
        reference=identity(models[1]),
        artifacts=(identity(models[0]),),
        names=(models[0].name,),
        metric=measure.name,
        within=within,
        at_least=None,
        alpha=1 - confidence,
        test=kind_of_test(measure, True, False),
        order_seed=0,
        rows=rows.hash,
    )
    user = UserLedger()
    try:
        check_unseen(models, samples, user.sides())
        look = user.look(plan_id(plan), rows.ids, f"prove {models[0].name}")
    finally:
        user.close()
    answers = judged(samples, measure, models)
    return judge(plan, answers.sheet, answers.outcomes[1], [answers.outcomes[0]], look)
