"""Variations for thin classes: a teacher invents messages, and what repeats a row of the data gives way."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from math import ceil
from pathlib import Path
from statistics import mean, median

from pare.artifacts import write_table
from pare.data import Dataset, Task, prepare, screen, write_quarantine
from pare.data.clean import set_aside
from pare.data.near import near_groups
from pare.data.read import Row
from pare.errors import InputError
from pare.families.tokens import script_of
from pare.remote import Answers, Endpoint, Estimate, Parameters, Progress, Prompt, answers, describe, estimate, usd
from pare.remote import label as labelling
from pare.remote.cost import modelled_tokens
from pare.remote.synthesize import EXAMPLES, MESSAGES, invent, messages_of
from pare.scan.label import Asked
from pare.store import UserLedger, user_folder
from pare.types import DataSpec, Quarantined, Side

ROWS = "synthetic"
QUARANTINE = "-quarantine"
LEAST = 20
"""The default number of rows a class is filled up to is the classes' median, and never below this."""
LONGEST = 2
"""A message longer than so many times the longest row of train is set aside."""
FRAME = 6
"""Assumed tokens that a message takes beside its text: quotes, comma, escapes."""


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What came of it: ``kept`` rows by class in ``path``, and how many were ``set_aside`` for which reason.

    ``per_class`` is what the thin classes are filled up to; ``wanted`` messages were asked for. ``unreadable`` answers
    held no message, ``refused`` requests the endpoint would not take. ``spent_usd`` is measured, None without a price;
    ``stopped`` says why it ended early, or is empty.
    """

    path: str
    quarantine: str
    per_class: int
    thin: int
    wanted: int
    rows: int
    kept: Mapping[str, int]
    set_aside: Mapping[str, int]
    unreadable: int
    refused: int
    asked: int
    reused: int
    spent_usd: Decimal | None
    stopped: str


@dataclass(frozen=True, slots=True)
class Question:
    """One request: so many messages of a class."""

    label: str
    count: int
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Author:
    """Who invents, with what is said and shown meanwhile."""

    asked: Asked
    say: Callable[[str], None]
    progress: Callable[[Progress], None] | None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.asked.teacher, self.asked.model, self.asked.key_env)

    @property
    def cache(self) -> Path:
        folder = user_folder()
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "answers.db"


def synthesize(
    task: Task,
    folder: Path,
    asked: Asked,
    per_class: int | None,
    check: bool,
    say: Callable[[str], None],
    progress: Callable[[Progress], None] | None,
) -> Synthesized:
    """Fills classes of few train rows up to ``per_class`` with messages that a teacher invents; writes them into ``folder``.

    The teacher sees train rows and nothing else. Messages that repeat or nearly repeat any row of the data, or each other,
    that are empty, too long, in another script or more than were wanted are set aside with their reason; with ``check``
    also those that the teacher itself gives another label, or that the cap left unchecked. The cost of both is estimated
    and held against the cap beforehand. A file with other rows stays, since a study may be bound to it: a number is added.
    Raises InputError for bad input, where no class is thin, and as ``remote.answers`` does.
    """
    if task.kind != "classify":
        raise InputError(
            f"synthesize writes texts with one label but the task's kind is {task.kind}; label texts instead"
        )
    spec = replace(task.data, synthetic=None, unlabelled=None)
    dataset, recorded = _read(task, spec)
    goal, thin = _thin(dataset, per_class)
    questions = _questions(dataset, thin, task.seed)
    author = Author(asked, say, progress)
    found, stopped = _ask(author, questions, dataset, check)
    rows, unreadable = _rows(questions, found, asked.model)
    fit, aside = _screened(rows, [sample.text for sample in dataset.train])
    samples, repeats = screen(spec, fit, recorded, task.kind)
    own = {(row.text, row.label): row for row in fit}
    kept, surplus = _wanted([own[sample.text, sample.label] for sample in samples], thin)
    aside += [*repeats, *surplus]
    seconds: Answers | None = None
    if check and kept:
        if not found.stopped:
            seconds, stopped = _second(author, kept, dataset.labels, found)
        kept, disputed = _agreed(kept, seconds, dataset.labels)
        aside += disputed
    path = _write(folder, task, kept, asked.model)
    quarantine = path.with_stem(path.stem + QUARANTINE)
    write_quarantine(quarantine, aside)
    calls = [found, *([seconds] if seconds else [])]
    spent = [call.spent_usd for call in calls if call.spent_usd is not None]
    return Synthesized(
        path=str(path),
        quarantine=str(quarantine),
        per_class=goal,
        thin=len(thin),
        wanted=sum(thin.values()),
        rows=len(kept),
        kept=dict(sorted(Counter(row.label for row in kept).items())),
        set_aside=dict(Counter(_kind(item.reason) for item in aside).most_common()),
        unreadable=unreadable,
        refused=sum(len(call.refused) for call in calls),
        asked=sum(call.asked for call in calls),
        reused=sum(call.reused for call in calls),
        spent_usd=sum(spent, Decimal(0)) if spent else None,
        stopped=stopped,
    )


# -- what is asked ------------------------------------------------------------------------------------------------------


def _read(task: Task, spec: DataSpec) -> tuple[Dataset, dict[str, Side]]:
    """The data with their recorded sides. What a teacher may see is fixed, by recording it, before it is sent anywhere."""
    user = UserLedger()
    try:
        dataset = prepare(spec, user.sides())
        user.record(dataset.membership())
        return dataset, user.sides()
    finally:
        user.close()


def _thin(dataset: Dataset, per_class: int | None) -> tuple[int, dict[str, int]]:
    """What each class is filled up to, and how many rows each thin one lacks. Raises InputError where none does."""
    counts = Counter(sample.label for sample in dataset.train)
    goal = per_class or max(LEAST, ceil(median(counts.values())))
    thin = {label: goal - counts[label] for label in dataset.labels if counts[label] < goal}
    if not thin:
        label, fewest = min(counts.items(), key=lambda item: (item[1], item[0]))
        raise InputError(
            f"no class has fewer than {goal} rows to train on (the fewest has {label}: {fewest}); "
            "name a larger number with --per-class"
        )
    return goal, thin


def _questions(dataset: Dataset, thin: Mapping[str, int], seed: int) -> list[Question]:
    """Requests of at most ``MESSAGES`` messages each, with examples drawn from the class's train rows."""
    questions = []
    for label, wanted in thin.items():
        texts = [sample.text for sample in dataset.train if sample.label == label]
        parts = ceil(wanted / MESSAGES)
        for part in range(parts):
            shown = random.Random(f"{seed} {part} {label}").sample(texts, min(EXAMPLES, len(texts)))
            count = wanted // parts + (part < wanted % parts)
            questions.append(Question(label, count, invent(label, shown, count, part + 1, parts)))
    return questions


def _ask(author: Author, questions: Sequence[Question], dataset: Dataset, check: bool) -> tuple[Answers, str]:
    """Asks for the messages, after saying what it will cost, with the check of them, and holding that against the cap.

    Returns the answers, and why they ended early. With all messages there, the check is reckoned on them instead.
    """
    asked = author.asked
    tokens = ceil(mean(modelled_tokens(sample.text) for sample in dataset.train)) + FRAME
    expected = max(question.count for question in questions) * tokens
    parameters = Parameters(1.0, max(256, 4 * expected), {"type": "json_object"})
    prompts = [question.prompt for question in questions]
    reckoned = estimate(
        author.endpoint, prompts, author.cache, parameters=parameters, price=asked.price, expected_tokens=expected
    )
    author.say(describe(reckoned))
    checking = _reckon_check(author, questions, dataset, reckoned) if check and reckoned.requests else None
    found = answers(
        author.endpoint,
        prompts,
        author.cache,
        parameters=parameters,
        cap_usd=asked.cap,
        price=asked.price,
        expected_tokens=expected,
        refusals=max(1, len(prompts) // 100),
        progress=author.progress,
    )
    more = f"; the check takes about {usd(_in_all(checking))} more" if found.stopped and checking else ""
    return found, found.stopped + more


def _reckon_check(author: Author, questions: Sequence[Question], dataset: Dataset, first: Estimate) -> Estimate:
    """Says what the check will cost, on train rows in place of what is not yet written. Raises InputError above the cap."""
    asked = author.asked
    total = sum(question.count for question in questions)
    typical = max((sample.text for sample in dataset.train), key=lambda text: (len(text), text))[:200]
    placeholders = _checks([f"{number} {typical}" for number in range(total)], dataset.labels)
    second = _reckoned(author, placeholders, labelling.ANSWER_TOKENS // 2)
    author.say(f"then the check of them: {describe(second)}")
    in_all = _in_all(first) + _in_all(second)
    if asked.cap is not None and in_all > asked.cap:
        raise InputError(
            f"messages and their check cost about {usd(in_all)}, above the cap of {usd(asked.cap)}: raise it, lower "
            "--per-class, or leave --check out"
        )
    return second


def _checks(texts: Sequence[str], labels: Sequence[str]) -> list[Prompt]:
    return labelling.prompts(texts, dict.fromkeys(labels, ""))


def _reckoned(author: Author, checks: Sequence[Prompt], tokens: int) -> Estimate:
    """What checks cost whose answers take so many tokens each."""
    return estimate(
        author.endpoint,
        checks,
        author.cache,
        parameters=labelling.PARAMETERS,
        price=author.asked.price,
        expected_tokens=tokens,
    )


def _in_all(reckoned: Estimate) -> Decimal:
    """What is still to be paid and what earlier calls have; $0 without a price, which ``answers`` refuses under a cap."""
    return (reckoned.usd or Decimal(0)) + (reckoned.paid_usd or Decimal(0))


def _paid(call: Answers) -> Decimal:
    """What a call's answers have cost, those of earlier calls included."""
    amounts = (call.spent_usd, call.unsure_usd, call.estimate.paid_usd)
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


# -- what came back -----------------------------------------------------------------------------------------------------


def _rows(questions: Sequence[Question], found: Answers, model: str) -> tuple[list[Row], int]:
    """The messages as rows: file is the model, line the request's number. And how many answers held none."""
    rows: list[Row] = []
    unreadable = 0
    for number, (question, answer) in enumerate(zip(questions, found.passes[0], strict=True), start=1):
        texts = messages_of(answer.text) if answer is not None else []
        unreadable += answer is not None and not texts
        rows += [Row(model, number, text, question.label) for text in texts]
    return rows, unreadable


def _screened(rows: Sequence[Row], train: Sequence[str]) -> tuple[list[Row], list[Quarantined]]:
    """The rows that could be rows of the data, and what is wrong with the others by themselves."""
    longest = max(map(len, train))
    scripts = {script_of(text) for text in train} | {""}
    aside: list[Quarantined] = []
    fit: list[Row] = []
    for row in rows:
        script = script_of(row.text)
        if not row.text:
            aside.append(set_aside(row, "empty"))
        elif len(row.text) > LONGEST * longest:
            aside.append(
                set_aside(row, f"too long: {len(row.text):,} characters, the longest train row has {longest:,}")
            )
        elif script not in scripts:
            aside.append(set_aside(row, f"another script: {script}"))
        else:
            fit.append(row)
    groups = near_groups([row.text for row in fit]).tolist()
    labels: dict[int, set[str]] = {}
    for row, group in zip(fit, groups, strict=True):
        labels.setdefault(group, set()).add(row.label)
    seen: set[int] = set()
    stay: list[Row] = []
    for row, group in zip(fit, groups, strict=True):
        if len(labels[group]) > 1:
            aside.append(set_aside(row, "nearly the same was invented for another class"))
        elif group in seen:
            aside.append(set_aside(row, "near-duplicate of another invented message"))
        else:
            seen.add(group)
            stay.append(row)
    return stay, aside


def _wanted(rows: Sequence[Row], thin: Mapping[str, int]) -> tuple[list[Row], list[Quarantined]]:
    """As many rows of each class as it lacks: teachers write more than they are asked for."""
    taken: Counter[str] = Counter()
    stay: list[Row] = []
    aside: list[Quarantined] = []
    for row in rows:
        taken[row.label] += 1
        if taken[row.label] <= thin[row.label]:
            stay.append(row)
        else:
            aside.append(set_aside(row, f"more than wanted: {thin[row.label]}"))
    return stay, aside


def _second(author: Author, kept: Sequence[Row], labels: Sequence[str], found: Answers) -> tuple[Answers | None, str]:
    """The teacher's own labels of what it invented, and why some are missing. None where they do not fit under the cap."""
    asked, before = author.asked, _paid(found)
    checks = _checks([row.text for row in kept], labels)
    reckoned = _reckoned(author, checks, labelling.ANSWER_TOKENS // 2)
    author.say(f"the check of {len(kept):,} messages: {describe(reckoned)}")
    left = None if asked.cap is None else max(Decimal(0), asked.cap - before)
    seconds: Answers | None = None
    if left is None or not reckoned.requests or _in_all(reckoned) <= left:
        seconds = answers(
            author.endpoint,
            checks,
            author.cache,
            parameters=labelling.PARAMETERS,
            cap_usd=left,
            price=asked.price,
            expected_tokens=labelling.ANSWER_TOKENS // 2,
            refusals=max(1, len(kept) // 100),
            progress=author.progress,
        )
    if asked.cap is None or (seconds is not None and not seconds.stopped):
        return seconds, ""
    most = _reckoned(author, checks, labelling.ANSWER_TOKENS)
    return seconds, (
        f"not checked: {most.requests:,} of {len(kept):,} messages, because the cap of {usd(asked.cap)} was reached; "
        f"the same command with a cap of {usd(before + _in_all(most))} checks them"
    )


def _agreed(kept: Sequence[Row], seconds: Answers | None, labels: Sequence[str]) -> tuple[list[Row], list[Quarantined]]:
    """The rows whose class the teacher names again. What was not asked about, or not answered, is set aside."""
    given = seconds.passes[0] if seconds is not None else (None,) * len(kept)
    refused = {refusal.prompt for refusal in seconds.refused} if seconds is not None else set()
    names = dict.fromkeys(labels, "")
    stay: list[Row] = []
    aside: list[Quarantined] = []
    for number, (row, answer) in enumerate(zip(kept, given, strict=True)):
        said = None if answer is None else labelling.label_of(answer.text, names)
        if said == row.label:
            stay.append(row)
        elif answer is None:
            why = "the endpoint refused it" if number in refused else "the cap was reached"
            aside.append(set_aside(row, f"not checked: {why}"))
        else:
            aside.append(set_aside(row, f"the teacher gives another label: {said or 'none of the list'}"))
    return stay, aside


def _kind(reason: str) -> str:
    """A reason without its particulars, to count by."""
    return reason.partition(":")[0].partition(" of line ")[0]


def _write(folder: Path, task: Task, kept: Iterable[Row], model: str) -> Path:
    """Writes the rows under the data's own column names, with where they come from. No other rows are replaced."""
    columns = (task.data.input, task.data.target)
    details = {name: said for name, said in {"origin": "synthetic", "model": model}.items() if name not in columns}
    draft = folder / f".{ROWS}.draft"
    write_table(draft, (*columns, *details), ((row.text, row.label, *details.values()) for row in kept))
    made = draft.read_bytes()
    paths = (folder / f"{ROWS}{f'-{number}' if number > 1 else ''}.csv" for number in count(1))
    return draft.replace(next(path for path in paths if _is_free(path, made)))


def _is_free(path: Path, made: bytes) -> bool:
    """Whether nothing is lost by writing there: no file, the same one, or a heading without rows."""
    return not path.exists() or (there := path.read_bytes()) == made or there.count(b"\n") < 2
