"""The vocabulary of pare: small frozen types without behaviour.

Everything that crosses from one room into another is made of these. This file imports nothing of ours.
Sizes are bytes, times are milliseconds, energies are joules, money is ``Decimal`` in US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Kind = Literal["classify", "multilabel", "tag", "generate"]
Side = Literal["train", "dev", "calibration", "test"]
SIDES: tuple[Side, ...] = ("train", "dev", "calibration", "test")
Provenance = Literal["measured", "modelled", "assumed"]
Scalar = str | int | float | bool | None


# -- facts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure that says where it came from. ``source`` names the instrument, the formula, or the source and its date."""

    value: float
    unit: str
    provenance: Provenance
    source: str


@dataclass(frozen=True, slots=True)
class Device:
    """The machine a measurement was taken on. ``name`` is the processor as the system calls it."""

    name: str
    cores: int
    memory_bytes: int
    features: tuple[str, ...] = ()


# -- data -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled row. ``id`` is a hash of text and label; rows of one ``unit`` are never split across sides. ``answer`` is
    what a large model once answered, where that is logged. ``origin`` is empty for a row of the data, ``synthetic`` for one
    that a teacher labelled or invented, which is trained on and never selects, calibrates or proves.
    """

    id: str
    text: str
    label: str
    unit: str
    slice: str = ""
    time: str = ""
    answer: str = ""
    origin: Literal["", "synthetic"] = ""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that was set aside, and why. Nothing is deleted."""

    file: str
    line: int
    reason: str
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Where the rows are. ``test`` names a file that is the sealed split whole; without it the split is by keyed hash.
    ``answer`` is the column of a large model's logged answers. ``synthetic`` names a file of rows that a teacher labelled or
    invented, ``unlabelled`` one of texts without labels: both are trained on and nothing else.
    """

    path: str
    input: str
    target: str
    unit: str | None = None
    slices: str | None = None
    time: str | None = None
    test: str | None = None
    rare: Literal["quarantine", "other"] = "quarantine"
    test_share: float = 0.3
    answer: str | None = None
    synthetic: str | None = None
    unlabelled: str | None = None


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What ``reshape`` may know of the data before anything is built: ``rows`` to train on, and ``unlabelled`` texts."""

    classes: int
    rows: int
    tokens_per_row: float
    tokens_in_use: int | None = None
    unlabelled: int = 0


Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. Parts that are no text (images, audio) are left out of ``text``."""

    role: Role
    text: str


# -- the task ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """The quality to keep: within so many absolute points of the reference, or at least a value. Neither is set in a task
    that leaves the margin to what its data can prove. ``growing``: sealed rows may be added later, which costs power now.
    """

    within: float | None = None
    at_least: float | None = None
    metric: str = "accuracy"
    confidence: float = 0.95
    growing: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a deployment may cost at most (``throughput``: must reach at least). ``None`` is no limit."""

    latency_p95_ms: float | None = None
    throughput: float | None = None
    size_mb: float | None = None
    memory_mb: float | None = None
    parameters: int | None = None
    power_w: float | None = None
    energy_j: float | None = None
    cost_per_1k: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What the study may spend. Minutes only truncate it; a truncation is recorded."""

    minutes: float | None = None


# -- models -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """A named group of weights: how many elements, at how many bits, and the work they do. ``rows`` are those of its
    matrices together, where they do not follow from the model's width (low-rank factors). ``lowered``: the bits that
    lowering gives it, where training has prepared it for others than it has. ``active``: the elements that one token uses,
    where it does not use all (a mixture of experts).
    """

    name: str
    elements: int
    bits: float = 32.0
    flops_per_token: float = 0.0
    flops_per_request: float = 0.0
    rows: int = 0
    lowered: float | None = None
    active: int | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The anatomy of a model, known without its weights.

    ``attention_flops`` is the work per token and token of context (4 x layers x width). ``exact`` is False where the
    parts are an upper bound, because the result depends on data. ``inner`` is the feed-forward's width; a layer has
    ``heads`` of ``head_dim`` for queries and ``kv_heads`` for keys and values. ``cache`` are the elements that each layer
    keeps of a token where they are not 2 x kv_heads x head_dim in all of them; ``windows`` the tokens that each layer looks
    back to, 0 for all of them; empty where every layer does.
    """

    family: str
    parts: tuple[Part, ...]
    layers: int = 0
    width: int = 0
    vocabulary: int = 0
    max_length: int = 0
    attention_flops: float = 0.0
    exact: bool = True
    inner: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    cache: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a recipe: a method's name and its parameters, e.g. ``Step("drop_layers", {"keep": 1})``."""

    method: str
    params: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could be built: base x recipe x runtime. ``base`` is empty where the recipe starts from nothing."""

    name: str
    base: str
    recipe: tuple[Step, ...]
    runtime: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact is: enough to serve it anywhere, and to make it again. ``contract`` is how it takes a caller's
    unchanged prompt and answers in its form (``logs.contract``); empty where it reads plain texts.
    """

    format: str
    kind: Kind
    labels: tuple[str, ...]
    max_length: int
    decoding: Mapping[str, float]
    shape: Shape
    lineage: Mapping[str, Any]
    files: Mapping[str, str]
    contract: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder with a ``manifest.json`` and files. ``id`` is the hash of the manifest, which names every file's hash."""

    path: Path
    id: str
    manifest: Manifest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Support:
    """Whether a runtime can load an artifact, and if not, why."""

    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """What a text names: its type, and the characters ``start`` up to but not including ``end`` of the caller's text."""

    type: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """An engine's answer to one text. ``abstain`` says that the confidence is below the deployment's threshold.

    ``label`` is a cell in the form of the kind (``pare.kinds``). Where that is no single label, ``labels`` are its parts:
    the labels that hold, or a tag for each word; ``entities`` are what tags name.
    """

    label: str
    confidence: float
    abstain: bool = False
    labels: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = ()


# -- results ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value with its interval at ``confidence``. ``approximate`` marks bootstrap intervals."""

    metric: str
    value: float
    low: float
    high: float
    n: int
    confidence: float = 0.95
    approximate: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """What serving an artifact costs on a device, at a workload and a boundary. Keys of ``figures`` carry their unit."""

    artifact: str
    runtime: str
    device: str
    boundary: Literal["engine", "process", "http"]
    workload: str
    figures: Mapping[str, Quantity]


TrialState = Literal["done", "dropped", "excluded", "failed"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished attempt at a candidate, at one rung. Frozen: it is what the ledger holds.

    ``drop`` and ``discordance`` are paired with the reference on dev: the difference of the means, and the mean square of
    the samples' differences in the metric (of right or wrong: the share of samples on which the two differ).
    """

    candidate: Candidate
    rung: int
    fidelity: float
    state: TrialState
    why: str = ""
    artifact: str = ""
    shape: Shape | None = None
    size_bytes: int = 0
    scores: Mapping[str, Score] = field(default_factory=dict)
    drop: float | None = None
    discordance: float | None = None
    measurement: Measurement | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ProofPlan:
    """What will be tested on the sealed split, frozen before the first read of it.

    ``artifacts`` are in the order of testing, from the safest towards the cheapest. ``rows`` is the hash of the sealed
    rows (of those it starts with, if ``growing``). ``by_unit``: the test draws units, not rows. ``unit_rows`` is how many
    rows of a unit count at most; it is declared from data that are not sealed. ``imitates``: the rows' labels are the
    reference's own answers, so that every disagreement counts as a loss until a person has labelled it; ``share`` of alpha
    then goes to ``bets``, which prove early.
    """

    reference: str
    artifacts: tuple[str, ...]
    names: tuple[str, ...]
    metric: str
    within: float | None
    at_least: float | None
    alpha: float
    test: Literal["exact", "betting"]
    order_seed: int
    growing: bool = False
    by_unit: bool = False
    unit_rows: int = 1
    rows: str = ""
    imitates: bool = False
    share: float = 0.0
    bets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One candidate's result on the sealed split. ``drop_high`` is the tightest drop that is proven at ``alpha``.

    Under a bar ``at_least`` the three drop fields hold the level itself and its limits.
    """

    name: str
    artifact: str
    value: float
    p_pass: float
    p_fail: float
    drop: float
    drop_low: float
    drop_high: float
    tested: bool
    proven: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a proof. ``labels_needed`` is how many sealed rows the test in use would need to decide."""

    answer: Literal["pass", "fail", "unproven"]
    sentence: str
    winner: str
    evidence: tuple[Evidence, ...]
    n: int
    look: int
    alpha: float
    test: str
    metric: str
    reference_value: float | None
    within: float | None = None
    at_least: float | None = None
    labels_needed: int | None = None
