"""The ladder of candidates, from cheap to dear, with the anatomy of each before anything is built.

Candidates that share their training form a trunk: it is trained once, then lowered and quantised in several ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pare import methods
from pare.data import Task
from pare.errors import InputError
from pare.families import family_of
from pare.planner import estimate
from pare.types import Candidate, DataFacts, Shape, Step

REFERENCE = "encoder"
INCUMBENT = "incumbent"
"""The large model whose logged answers are the reference: a trial that nobody built."""
BASELINE = "encoder-pytorch"
"""The reference before lowering, served by PyTorch in fp32: what ratios are shown against. Never a candidate."""

ENOUGH_ROWS = 5000
FEW_ROWS_TOKENS = 12_000
"""Few rows name few of the words that will come: below ``ENOUGH_ROWS`` texts to train on, more of the vocabulary is kept."""
TRAINING = ("linear", "static", "finetune", "lora", "distil")
ONE_ANSWER = ("linear", "static")
"""The rungs that answer once for a text."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A candidate on the ladder. ``halved`` trunks compete on small slices first; ``work`` is a trunk's full training."""

    candidate: Candidate
    trunk: str
    shape: Shape
    work: float
    halved: bool

    @property
    def name(self) -> str:
        return self.candidate.name


@dataclass(frozen=True, slots=True)
class Space:
    """What a study may try. ``trunk_end`` of a recipe is the index after its last training step."""

    entries: tuple[Entry, ...]
    facts: DataFacts

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)


def trunk_end(recipe: Iterable[Step]) -> int:
    """The index after the last training step of a recipe; 0 where it has none."""
    return max((i for i, step in enumerate(recipe, start=1) if step.method in TRAINING), default=0)


def needs_no_base(task: Task) -> bool:
    """Whether a task can do without the base model: the linear rung alone, against a fixed bar or logged answers."""
    return task.candidates == ("linear",) and (task.bar.at_least is not None or task.has_incumbent)


def ladder(task: Task, config: Mapping[str, Any] | None, facts: DataFacts) -> Space:
    """The ladder of a task's candidates: linear, static, encoder, students (all depths) or students:1,2.

    ``config`` is the base model's, None where it cannot be loaded (the light install): then only the linear rung remains.
    Where the task ``needs_no_base`` none of it is trained; a given reference has no PyTorch form to be shown against.
    Words are tagged by encoders and students alone. Raises InputError where that leaves no rung.
    """
    rungs, base = _rungs(task), task.base
    entries: list[Entry] = []

    anatomy = _anatomy(task, config, facts)

    def add(name: str, recipe: list[Step], runtime: str, *, trunk: str = "", halved: bool = False) -> None:
        origin = "" if recipe[0].method == "linear" else base
        shape, work = _follow(recipe, anatomy, facts)
        candidate = Candidate(name, origin, tuple(recipe), runtime)
        entries.append(Entry(candidate, trunk or name, shape, work, halved))

    if "linear" in rungs:
        add("linear", [Step("linear")], "arrays")
    if config is None or needs_no_base(task):
        return Space(tuple(entries), facts)
    openvino = Step("lower", {"to": "openvino"})
    finetune = Step("finetune")
    trim = (
        Step("trim_vocab")
        if facts.rows + facts.unlabelled >= ENOUGH_ROWS
        else Step("trim_vocab", {"tokens": FEW_ROWS_TOKENS})
    )
    add(REFERENCE, [finetune, openvino], "openvino", trunk=REFERENCE)
    if task.reference == "finetune" or task.has_incumbent:
        add(BASELINE, [finetune], "pytorch", trunk=REFERENCE)
    if "encoder" in rungs:
        for suffix, steps in _widths([finetune, trim, openvino], anatomy, facts):
            add(f"{REFERENCE}-trim{suffix}", [finetune, trim, openvino, *steps], "openvino", trunk=REFERENCE)
        for suffix, steps in _widths([finetune, openvino], anatomy, facts):
            if suffix:
                add(f"{REFERENCE}{suffix}", [finetune, openvino, *steps], "openvino", trunk=REFERENCE)
    if "static" in rungs:
        add("static", [finetune, Step("static")], "arrays")
    for depth in _depths(rungs, anatomy.layers):
        recipe = [finetune, Step("drop_layers", {"keep": depth}), trim, Step("distil")]
        trunk = f"student-{depth}"
        for suffix, steps in _widths([*recipe, openvino], anatomy, facts):
            add(f"{trunk}{suffix}", [*recipe, openvino, *steps], "openvino", trunk=trunk, halved=True)
    return Space(tuple(entries), facts)


_WIDTHS: Mapping[str, list[Step]] = {
    "": [],
    "-w8": [Step("quantize", {"scheme": "w8"})],
    "-w4": [Step("quantize", {"scheme": "w4", "embeddings": 4})],
    "-int8": [Step("quantize", {"scheme": "int8"})],
}
"""How a trunk's weights are stored. Int8 activations are tried for their speed, widths of weights alone for their bytes."""
PAYS = 0.9
"""A narrower width of weights is proposed where it is predicted to hold at most this share of the next wider one's bytes."""


def _widths(recipe: list[Step], anatomy: Shape, facts: DataFacts) -> list[tuple[str, list[Step]]]:
    """The widths that pay for what a recipe gives. 4 bits do not where a model's groups are no shorter than its rows."""
    found: list[tuple[str, list[Step]]] = []
    least = float("inf")
    for suffix, steps in _WIDTHS.items():
        weighs = estimate.weight_bytes(_follow([*recipe, *steps], anatomy, facts)[0])
        if suffix in ("", "-int8") or weighs <= PAYS * least:
            found.append((suffix, steps))
            least = min(least, weighs)
    return found


def _rungs(task: Task) -> tuple[str, ...]:
    """The rungs that a task of its kind can climb: n-grams and static vectors answer for a text, not for its words."""
    if task.kind != "tag":
        return task.candidates
    rungs = tuple(rung for rung in task.candidates if rung not in ONE_ANSWER)
    if not rungs:
        raise InputError(
            f"candidates of kind tag must be encoder or students but got {', '.join(task.candidates)}; "
            f"{' and '.join(ONE_ANSWER)} give one answer for a whole text"
        )
    return rungs


def _anatomy(task: Task, config: Mapping[str, Any] | None, facts: DataFacts) -> Shape:
    """The base model's shape with the task's head; without parts where the base cannot be loaded."""
    if config is None:
        return Shape("", ())
    return family_of(config).shape(config, facts.classes, each_token=task.kind == "tag")


def _depths(rungs: tuple[str, ...], layers: int) -> list[int]:
    """The students' depths: named ones, or 1 to one less than the base has, at most 5."""
    named = [rung for rung in rungs if rung.startswith("students")]
    if not named:
        return []
    _, _, depths = named[0].partition(":")
    return sorted({int(depth) for depth in depths.split(",")}) if depths else list(range(1, min(layers, 6)))


def _follow(recipe: list[Step], shape: Shape, facts: DataFacts) -> tuple[Shape, float]:
    """The shape at the end of a recipe that starts from ``shape``, and the FLOPs of its last training step at full
    fidelity.
    """
    work = 0.0
    for step in recipe:
        method = methods.method(step)
        shape = method.reshape(shape, facts)
        if step.method in TRAINING:
            passes = method.passes(facts) if hasattr(method, "passes") else getattr(method, "epochs", 1.0)
            work = estimate.training_flops(shape, facts, float(passes))
    return shape, work
