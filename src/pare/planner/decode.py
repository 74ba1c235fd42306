"""How fast a model decodes and reads prompts on a server: the device's own measured lines where there are some, else the
general roofline.

Weights are taken to be unpacked to 16 bits for their products, as weight-only quantisation does; a device without a
matrix unit of 16 bits works at its vector units' peak. Chips that share a model do not add up: what they say to each other
costs a share at every doubling, which is assumed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from pare.catalog.types import Calibration, Chip, Roofline, Server
from pare.errors import InputError
from pare.planner import anatomy, speed
from pare.planner.types import Subject, Widths
from pare.types import Part, Provenance, Shape

MATRIX, VECTOR = ("bf16", "fp16", "fp32"), ("vector", "fp32")

DOUBLING = 0.9
"""Share of twice the speed that twice the chips reach; assumed: the order of tensor parallelism inside one server."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``itl_s(batch)``: seconds between tokens with so many sessions; ``prefill_s(tokens)``: seconds that a prompt of so
    many takes when nothing else runs. ``miss``: the half-width, in log(seconds), of the interval that holds the former with
    80 %, None where it cannot be told.
    """

    itl_s: Callable[[int], float]
    prefill_s: Callable[[float], float]
    miss: float | None
    provenance: Provenance
    source: str


def pace(
    shape: Shape,
    widths: Widths,
    server: Server,
    parallel: int,
    context: float,
    roofline: Roofline,
    calibration: Calibration | None = None,
) -> Pace:
    """The pace of a model over ``parallel`` chips of a server, its sessions looking back at ``context`` tokens on average.

    A ``calibration`` is the measured line of this very model, width and device; what another context than the measured one
    adds to a step, and prompts where they were not measured, come from the roofline. Raises InputError where the chip's
    bandwidth is unknown.
    """
    shape = _gathered(shape)
    stored = anatomy.at_widths(shape, widths)
    # At 8 bits a weight is a byte: so many weights are unpacked, each a multiply and an add.
    unpacked = anatomy.at_widths(shape, Widths(weights=8.0))
    dense = all(part.active is None for part in shape.parts)

    @cache
    def weights(tokens: float) -> tuple[float, float]:
        """Bytes and vector operations of the weights that so many tokens touch together."""
        return anatomy.step_bytes(stored, tokens, 0.0), 2.0 * anatomy.step_bytes(unpacked, tokens, 0.0)

    @cache
    def session(tokens: float) -> tuple[float, float]:
        """Bytes and FLOPs that a session at so many tokens adds to a step."""
        return anatomy.kv_bytes(shape, tokens, widths.kv), anatomy.flops_per_token(shape, tokens)

    def step(tokens: float, kept: float, flops: float) -> float:
        read, work = weights(1.0 if dense else tokens)
        return speed.seconds(roofline, step_on(server.chip, parallel, read + kept, flops, work))

    def modelled(batch: int, at: float = context) -> float:
        kept, flops = session(at)
        return step(batch, batch * kept, batch * flops)

    @cache
    def reading(tokens: float) -> float:
        return step(max(1.0, tokens), 0.0, anatomy.prefill_flops(shape, tokens))

    if calibration is None:
        return Pace(modelled, reading, speed.half_width(roofline.misses), "modelled", f"roofline: {roofline.source}")
    line = speed.Line(calibration.itl_constant_s, calibration.itl_slope_s)
    taken_at = calibration.context

    def measured(batch: int) -> float:
        return max(line.constant, line.at(batch) + modelled(batch) - modelled(batch, taken_at))

    source = (
        f"line through measured batch sizes up to {calibration.largest_batch} with {calibration.engine}: "
        f"{calibration.source} ({calibration.date})"
    )
    prompts = _measured_reading(calibration)
    if prompts is None:
        source += f"; prompts by the roofline: {roofline.source}"
    return Pace(measured, prompts or reading, calibration.miss, "modelled", source)


def step_on(chip: Chip, parallel: int, read: float, flops: float, work: float) -> speed.Step:
    """A step of so many bytes, FLOPs and vector operations on ``parallel`` such chips together (a power of two).

    Raises InputError where the chip's bandwidth is unknown.
    """
    if chip.bandwidth is None:
        raise InputError(
            f"a prediction needs the memory bandwidth of {chip.name}, which is unknown; add it to its entry"
        )
    chips = parallel * DOUBLING ** math.log2(parallel)
    matrix, vector = (
        next((chip.peaks[width].value * chips for width in widths if width in chip.peaks), None)
        for widths in (MATRIX, VECTOR)
    )
    return speed.Step(read, chip.bandwidth.value * chips, flops, matrix, work, vector)


def of_device(roofline: Roofline, lines: Sequence[tuple[Calibration, Shape]], server: Server) -> Roofline:
    """The roofline of a server that was measured with other models: the general one, slower or faster as a whole by what
    the lines say, each at one session and at its largest batch. Of several engines the fastest at a full batch counts.

    The misses stay those of devices that were never measured: lines of one size do not tell how far another is off.
    Raises InputError where the chip's bandwidth is unknown.
    """
    if not lines:
        return roofline
    engine = min(lines, key=lambda line: line[0].itl_constant_s / line[0].largest_batch + line[0].itl_slope_s)[0].engine
    ratios = []
    for one, shape in lines:
        if one.engine == engine:
            found = pace(shape, Widths(float(_bits(one.width) or 8)), server, 1, one.context, roofline)
            measured = speed.Line(one.itl_constant_s, one.itl_slope_s)
            ratios += [math.log(measured.at(batch) / found.itl_s(batch)) for batch in {1, one.largest_batch}]
    times = math.exp(sum(ratios) / len(ratios))
    return replace(
        roofline,
        memory=roofline.memory / times,
        compute=roofline.compute / times,
        vector=roofline.vector / times,
        constant_s=roofline.constant_s * times,
        source=f"{roofline.source}; times {times:.2f}, as {engine} was measured here with {lines[0][0].model}",
    )


def calibration_of(
    subject: Subject, server: Server, parallel: int, calibrations: Iterable[Calibration]
) -> Calibration | None:
    """The first calibration of this model at this width, on this server or, for a model on one chip, on such a chip."""
    devices = {server.name.casefold()} if parallel == server.count else set()
    if parallel == 1:
        devices.add(server.chip.name.casefold())
    for one in calibrations:
        same = _model(one.model) == _model(subject.name) and _bits(one.width) == int(subject.widths.weights)
        if same and one.server.casefold() in devices:
            return one
    return None


def _gathered(shape: Shape) -> Shape:
    """The same model in a few parts: a hundred layers are asked about at many batch sizes, and are alike."""
    alike: dict[tuple[str, float | None], list[Part]] = {}
    for part in shape.parts:
        name = part.name if part.name == "head" or part.name.startswith("embeddings") else "layers"
        share = None if part.active is None or not part.elements else part.active / part.elements
        alike.setdefault((name, share), []).append(part)
    parts = []
    for (name, share), group in alike.items():
        elements = sum(part.elements for part in group)
        work = sum(part.flops_per_token for part in group)
        once = sum(part.flops_per_request for part in group)
        active = None if share is None else round(share * elements)
        parts.append(Part(name, elements, flops_per_token=work, flops_per_request=once, active=active))
    return replace(shape, parts=tuple(parts))


def _measured_reading(calibration: Calibration) -> Callable[[float], float] | None:
    constant, slope = calibration.prefill_constant_s, calibration.prefill_slope_s
    return None if constant is None or slope is None else speed.Line(constant, slope).at


def _model(name: str) -> str:
    """A model's name without its publisher, and without the mark of a tuned variant, which weighs the same."""
    return re.sub(r"-(instruct|it|chat)$", "", name.rsplit("/", 1)[-1].casefold())


def _bits(width: str) -> int | None:
    """The bits of ``bf16``, ``int4``; scales come on top, so that 4 stands for 4.5 as well."""
    found = re.search(r"\d+", width)
    return int(found[0]) if found else None
