"""Label only what decides: which sealed rows people are asked about, and what their answers make of the verdict.

Asked are the rows on which a candidate of the plan and the incumbent differ, in the order of review, each with the two
answers in an order that says nothing of who gave which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pare import runtimes
from pare.data import Dataset
from pare.errors import InputError, nearest
from pare.proof.partial import review_order
from pare.proof.reviewers import Agreement, reviewer_agreement
from pare.search.study import REVIEWS, Study
from pare.search.verdict import judge_again
from pare.types import ProofPlan, Sample, Verdict

NEITHER = "neither"
"""What a reviewer writes where no label of the task fits."""


@dataclass(frozen=True, slots=True)
class Question:
    """A row for a reviewer: its id, its text, and the answers to choose from, in blind order."""

    id: str
    text: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """What is to be asked. ``labels`` are all of the task, for where neither answer is right; ``done`` has answers."""

    questions: tuple[Question, ...]
    labels: tuple[str, ...]
    done: int
    rows: int


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What came of a review: the verdict, how many rows have labels, and how two reviewers agree (None with one)."""

    verdict: Verdict
    labelled: int
    agreement: Agreement | None


def review_of(study: Study, dataset: Dataset) -> Review:
    """The rows that need a label, in the order of review.

    Raises InputError where the study has no proof, or its rows have labels already.
    """
    plan = _plan(study)
    rows = {row.id: row for row in dataset.test.open(study.proof[0] if study.proof else "")}
    answers = _answers(study, plan, list(rows.values()))
    order = review_order(list(rows), plan.order_seed)
    said = study.said()
    asked = []
    for id in (list(rows)[place] for place in order):
        options = dict.fromkeys((rows[id].answer, *answers[id]))
        if len(options) > 1:
            asked.append(Question(id, rows[id].text, _blind(id, list(options))))
    return Review(tuple(asked), dataset.labels, sum(question.id in said for question in asked), len(rows))


def take(study: Study, dataset: Dataset, given: Mapping[str, str], reviewer: str) -> Reviewed:
    """Records a reviewer's labels (row id → label, or ``neither``) and judges the frozen plan with them.

    Raises InputError where an id is none of those asked about, or a label is none of the task's.
    """
    _check(study, dataset, given)
    reviews = study.reviews()
    reviews[reviewer] = {**reviews.get(reviewer, {}), **given}
    study.ledger.set_fact(REVIEWS, reviews)
    verdict = judge_again(study, dataset)
    both = list(reviews.values())[:2]
    agreement = None
    if len(both) == 2 and set(both[0]) & set(both[1]):
        shared = sorted(set(both[0]) & set(both[1]))
        agreement = reviewer_agreement([both[0][id] for id in shared], [both[1][id] for id in shared])
    return Reviewed(verdict, sum(label is not None for label in study.said().values()), agreement)


def _check(study: Study, dataset: Dataset, given: Mapping[str, str]) -> None:
    known = {question.id for question in review_of(study, dataset).questions}
    labels = {*dataset.labels, NEITHER}
    for id, label in given.items():
        if id not in known:
            raise InputError(
                f"row {id} is none of the {len(known)} rows that pare review asks about; export them again"
            )
        if label not in labels:
            raise InputError(
                f"row {id}: a label must be one of the task's, or {NEITHER}, but got {label}; {nearest(label, labels)}"
            )


def _plan(study: Study) -> ProofPlan:
    if study.task.kind != "classify":
        raise InputError(f"pare review is for tasks of one label a text; {study.path} is of kind {study.task.kind}")
    proof = study.proof
    if proof is None or proof[2] is None:
        raise InputError(f"{study.path} has no finished proof to review; run pare find first")
    if not proof[1].imitates or proof[1].within is None:
        raise InputError(
            f"{study.path} needs no review: its rows are labelled, or its bar is fixed; "
            "review is for a study on logged answers alone"
        )
    return proof[1]


def _answers(study: Study, plan: ProofPlan, rows: Sequence[Sample]) -> dict[str, list[str]]:
    """Row id → what each candidate of the plan answers."""
    found: dict[str, list[str]] = {row.id: [] for row in rows}
    for artifact in plan.artifacts:
        engine = runtimes.load(study.store.get(artifact), threads=study.facts.threads)
        try:
            predicted = engine.logits([row.text for row in rows]).argmax(axis=1)
        finally:
            engine.close()
        for row, place in zip(rows, predicted, strict=True):
            found[row.id].append(engine.labels[place])
    return found


def _blind(id: str, options: Sequence[str]) -> tuple[str, ...]:
    """The options in an order of their hash with the row's id: it says nothing of who gave which."""
    return tuple(sorted(options, key=lambda option: hashlib.blake2b(f"{id}\0{option}".encode()).digest()))
