"""What a plan is made of: what is asked, where it runs, and what comes out. Frozen types without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pare.level import DEFAULT_MIN_TPS
from pare.planner.growth import Milestone
from pare.planner.rack import DEFAULT as DEFAULT_RACK
from pare.planner.rack import Rack
from pare.types import Provenance, Quantity, Score, Shape


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a plan with where it came from, and the interval that holds it at 80 % where one is known."""

    value: float
    unit: str
    provenance: Provenance
    source: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of the weights as stored, scales included, of embeddings and head where they differ, and of keys and values."""

    weights: float = 8.0
    embeddings: float | None = None
    head: float | None = None
    kv: float = 16.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for: ``sessions`` at once, each answered at ``min_tps`` tokens a second or more. A session asks again
    ``every_s`` seconds (its mean); ``burstiness`` is the squared coefficient of variation between requests, 1 for Poisson.
    """

    sessions: int
    min_tps: float = DEFAULT_MIN_TPS
    prompt_tokens: float = 512.0
    answer_tokens: float = 128.0
    every_s: float = 30.0
    burstiness: float = 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where it runs: ``grid`` in kg CO2e/kWh, ``energy_price`` in USD/kWh, power usage effectiveness, the years over which
    hardware is written off, USD a server and year for operation and staff, and the share of the time a server is busy.
    """

    region: str
    grid: Quantity
    energy_price: Quantity
    pue: Quantity
    years: Quantity
    operation: Quantity
    staff: Quantity
    utilisation: Quantity
    rack: Rack = DEFAULT_RACK


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is planned for. ``shape`` is None where its anatomy is undisclosed; then it is bought, not hosted.

    ``texts_per_s`` and ``measured_j`` (joules a request) are a study's measurements of a model that answers in one step,
    taken on the server called ``measured_on``. ``quality`` is a study's, never a publisher's.
    """

    name: str
    shape: Shape | None
    parameters: int | None
    active: int | None
    model_class: int | None
    terms: str = ""
    teaches: bool | None = None
    widths: Widths = field(default_factory=Widths)
    weight_bytes: float | None = None
    quality: Score | None = None
    texts_per_s: Figure | None = None
    measured_j: Figure | None = None
    measured_on: str = ""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one server holds of one model. ``copies`` of it, each over ``parallel`` chips, serve ``batch`` sessions each;
    where it does not fit or is too slow ``sessions`` is 0 and ``why`` says so. ``prefill_s``: of the demand's prompt.
    """

    sessions: int
    copies: int
    parallel: int
    batch: int
    binds: Literal["service level", "memory", "none"]
    why: str
    itl_s: Figure | None
    prefill_s: Figure | None
    tokens_per_s: Figure | None


@dataclass(frozen=True, slots=True)
class Hosted:
    """A model on servers of one's own: what one server and one rack do, and what the whole demand takes.

    ``published`` are a vendor's sessions for a server, beside pare's own estimate. ``goodput`` is the share of the requests
    served at the level. Money is USD, energy kWh, mass kg CO2e, a year has 8,766 hours. A figure that cannot be told is None
    and ``asks`` names what is missing.
    """

    subject: str
    server: str
    capacity: Capacity
    published: Quantity | None
    a_rack: int | None
    rack_binds: str
    rack_sessions: int | None
    servers: int | None
    racks: int | None
    goodput: Figure | None
    figures: Mapping[str, Figure]
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bought:
    """A model behind an API: what it costs at the demand's tokens. Energy and CO2 are known only where they are stated."""

    subject: str
    provider: str
    figures: Mapping[str, Figure]
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Language:
    """A log's requests in one language by one tokenizer: their share, and a request's mean tokens. ``dearer`` is how many
    times the tokens a character takes of those in the commonest language; None, as ``characters_per_token``: no tokens.
    """

    name: str
    share: float
    prompt_tokens: float
    answer_tokens: float
    characters_per_token: float | None
    dearer: float | None


@dataclass(frozen=True, slots=True)
class Tokenized:
    """The sampled texts of a log as one tokenizer counts them: a compared model's, a given one, or the log's own count."""

    name: str
    texts: int
    provenance: Provenance
    source: str
    languages: tuple[Language, ...]


@dataclass(frozen=True, slots=True)
class TextPrice:
    """What an offer charges for the user's own texts in one language: for 1,000 of their tokens, of their characters and of
    their requests.
    """

    subject: str
    provider: str
    language: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer of ``pare plan``. ``sentence`` recommends, with the two figures that decide. ``figures`` are those of the
    demand itself, as ``requests_per_year``; ``growth`` says by subject what becomes due and when. ``demands`` are of the
    subjects whose own tokenizer has counted a log; ``tokens`` and ``text_prices`` are that log's, by language.
    """

    demand: Demand
    site: Site
    subjects: tuple[Subject, ...]
    hosted: tuple[Hosted, ...]
    bought: tuple[Bought, ...]
    sentence: str
    notes: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    growth: Mapping[str, tuple[Milestone, ...]] = field(default_factory=dict)
    demands: Mapping[str, Demand] = field(default_factory=dict)
    tokens: tuple[Tokenized, ...] = ()
    text_prices: tuple[TextPrice, ...] = ()
