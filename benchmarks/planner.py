"""How well speeds are predicted: of devices that were left out, of batch sizes that were; and what the catalogue is given.

    python benchmarks/planner.py [--docs docs/planner.md] [--speeds src/pare/catalog/speeds.yaml]

Reads the published tables under PARE_DATA/hardware (default ../shared/data). Writes the general roofline with its misses
and the measured lines into `speeds.yaml`, and the tables into the docs between the markers of `speed`. The time of the
simulated day depends on the machine; nothing else does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import speeds
from blocks import write_block
from speeds import ROOT, Method, left_out, llama_cpp, ml_energy, off, shape_of, table

from pare import api
from pare.catalog.devices import find_server
from pare.catalog.types import Calibration, Roofline
from pare.level import DEFAULT_MIN_TPS
from pare.planner import anatomy, queueing, speed
from pare.planner.capacity import Rule, capacity
from pare.planner.estimate import weight_bytes
from pare.planner.rack import DEFAULT, of_rack, pack
from pare.planner.types import Demand, Subject, Widths
from pare.units import percent

MODELS = ("llama-3.2-1b", "llama-3.2-3b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b")
RULES = {"8x NVIDIA L40S": Rule(), "8x NVIDIA H100 SXM 80GB": Rule(slices=7)}
DEMAND = Demand(sessions=1000)

CHOSEN = (
    "The sum of terms was chosen with these ten rows in view, so its errors flatter it; the H100's 8 sessions below, of "
    "another engine, are the one row that had no say in it. Every row is of one model: how the constant and the vector "
    "term divide at other sizes is not shown by them. No processor without a GPU is among them. An interval speaks of a "
    "new device with few sessions; how much of a matrix peak is reached was learnt from the H100 alone."
)
DIFFERS = (
    "*Vendor* is the published sessions of a server times the servers of a rack of 42 U and 12.5 kW, of which 2 U and 1 kW "
    "are kept. The GPUs' are its assumption, one session a GPU, or 7 where the model fits a seventh of it (*by its rule*), "
    "and no measurement: the planner decodes sessions together, as every serving engine does, hence the hundredfold. "
    "AmpereOne's were measured in the vendor's lab with prompts and answers that it does not state; the planner has the "
    f"roofline, prompts of {DEMAND.prompt_tokens:.0f} and answers of {DEMAND.answer_tokens:.0f} tokens, every session busy "
    f"and the next prompts read in between, at {DEMAND.min_tps:.0f} tokens/s or more. It lets a model take several chips of "
    "a server; the vendor's n/a is of one chip. Tokens per joule are at the servers' full power."
)


def rows_of(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def devices_table() -> str:
    """Errors by device of every predictor, leave-one-device-out and by halves, and whether intervals hold."""
    points, measured = llama_cpp(), ml_energy()
    methods: Mapping[str, tuple[Method, Method]] = {
        "pure roofline": (speeds.bare, speeds.bare),
        "mean": (speeds.mean, speeds.mean),
        "efficiency + constant": (speeds.efficiency_and_constant, speeds.efficiency_and_constant),
        "planner, these rows": (speeds.sums, speeds.sums),
        "planner, and the H100's": (
            speeds.sums_with(list(measured.values())),
            speeds.sums_with([measured[8], measured[128]]),
        ),
    }
    blocks = []
    for title, run, which in (
        ("Each device predicted from the others", left_out, 0),
        ("Held-out rows, over all 252 splits of the ten rows into halves", speeds.halves, 1),
    ):
        found = {name: run(pair[which], points) for name, pair in methods.items()}
        body = [[device, *(percent(found[name][device]) for name in methods)] for device in found["mean"]]
        body.append(["**mean**", *(f"**{percent(float(np.mean(list(found[n].values()))))}**" for n in methods)])
        blocks.append(f"{title}, mean absolute error of the time of a token:\n\n" + rows_of(["", *methods], body))
    held = speeds.coverage(points, list(measured.values()))
    rows, devices = sum(own for own, _ in held.values()), sum(own == all_ for own, all_ in held.values())
    missed = ", ".join(device for device, (own, of) in held.items() if own < of) or "none"
    blocks.append(
        f"The 80 % intervals of the last column, made anew without each device: {rows} of {len(points)} rows inside, all "
        f"rows of {devices} of {len(held)} devices; outside: {missed}."
    )
    return "\n\n".join(blocks)


def h100_table() -> str:
    """The H100's lines fitted on two batch sizes and held against the others, and the roofline that never saw it."""
    rows = {int(row["batch"]): row for row in table("mlenergy_llama31_8b_h100.csv")}
    seconds = {batch: float(row["median_itl_ms"]) / 1e3 for batch, row in rows.items()}
    joules = {batch: float(row["j_per_token"]) for batch, row in rows.items()}
    unseen = speeds.sums(llama_cpp())
    measured = ml_energy()
    body, errors = [], {"itl": [], "joules": []}
    for fitted in ((8, 128), (32, 512), (8, 512), (32, 128), (8, 32), (128, 512)):
        itl = speed.fit_line(fitted, [seconds[b] for b in fitted])
        joule = speed.fit_line([1 / b for b in fitted], [joules[b] for b in fitted])
        rest = [b for b in rows if b not in fitted]
        itl_off = [itl.at(b) / seconds[b] - 1 for b in rest]
        joule_off = [joule.at(1 / b) / joules[b] - 1 for b in rest]
        errors["itl"] += map(abs, itl_off)
        errors["joules"] += map(abs, joule_off)
        signed = [", ".join(f"{100 * e:+.1f} %" for e in one) for one in (itl_off, joule_off)]
        body.append([", ".join(map(str, fitted)), ", ".join(map(str, rest)), *signed])
    means = [f"**{percent(float(np.mean(errors[k])))}**" for k in ("itl", "joules")]
    body.append(["**mean, absolute**", "", *means])
    blind = ", ".join(f"{100 * (unseen(p.step) / p.seconds - 1):+.1f} % at {b}" for b, p in measured.items())
    text = rows_of(["fitted on batches", "held out", "time between tokens", "joules a token"], body)
    both = [*llama_cpp(), *measured.values()]
    own = list(measured.values())
    added, longest = (percent(float(np.mean(off(fit(both), own)))) for fit in (speeds.sums, speeds.longer))
    return (
        f"{text}\n\nThe roofline fitted on the five other devices, which saw one session at a time only: {blind} sessions. "
        f"Fitted on all rows, terms that add up are off by {added} on these four on average; the longer of reading and "
        f"computing, and a constant, by {longest}."
    )


def rack_table(roofline: Roofline, lines: Sequence[Calibration]) -> str:
    """The vendor's sessions a rack, from its footnotes, beside the planner's own estimate of the same servers."""
    body = []
    for row in table("servers.csv"):
        server = find_server(row["server"])
        packed = pack(DEFAULT, int(row["rack_units"]), float(row["power_w"]))
        for model in MODELS:
            stated = row["sessions_" + model.replace("llama-", "llama").replace(".", "").replace("-", "_")]
            vendor = f"{packed.servers * int(stated):,}" if stated.isdigit() else stated
            shape = shape_of(model)
            subject = Subject(model, shape, None, None, None, widths=Widths(weights=8.0))
            own = capacity(subject, server, DEMAND, roofline, lines)
            total = of_rack(packed, own.sessions, own.tokens_per_s.value if own.tokens_per_s else None)
            rule = RULES.get(server.name)
            assumed = rule.sessions(weight_bytes(anatomy.at_widths(shape, subject.widths)), server) if rule else None
            by_rule = "measured" if rule is None else "n/a" if assumed is None else f"{packed.servers * assumed:,}"
            if own.sessions:
                figures = [
                    f"{total.sessions:,}",
                    own.binds,
                    f"{total.sessions_per_kw:.0f}",
                    f"{total.tokens_per_j:.2f}",
                ]
            else:
                figures = ["n/a", own.why, "", ""]
            body.append([f"{server.name} ({packed.servers}, {packed.binds})", model, vendor, by_rule, *figures])
    head = ["server (a rack, what binds)", "model, 8 bits", "vendor", "by its rule", "planner", "what binds"]
    return rows_of([*head, "sessions/kW", "tokens/J"], body)


def simulated_day() -> str:
    """A day of 1,000 sessions on one server, and how long that took here."""
    rng = np.random.default_rng(0)
    came = queueing.arrivals(DEMAND.sessions / DEMAND.every_s, 86_400, rng, 4.0)
    work = queueing.Workload(came, queueing.lengths(512, len(came), rng), queueing.lengths(128, len(came), rng))
    begun = time.process_time()
    seen = queueing.simulate(work, lambda batch: 0.007 + 8e-5 * batch, lambda n: 1e-5 * n, 512, 0.02, DEFAULT_MIN_TPS)
    took = time.process_time() - begun
    return (
        f"A day of {DEMAND.sessions:,} sessions, {len(came):,} requests in bursts, took {took:.1f} s of one core of this "
        f"machine to simulate ({seen.held_share:.1%} served at the level)."
    )


def whole_catalogue() -> str:
    """How long a plan of every model on every device takes here."""
    took = []
    for _ in range(3):
        begun = time.process_time()
        found = api.plan("all", devices=("all",))
        took.append(time.process_time() - begun)
    return (
        f"A plan of every model with a published anatomy on every device, {len(found.hosted):,} rows and "
        f"{len(found.bought):,} offers, took {took[0]:.2f} s of one core, and {min(took[1:]):.2f} s once the catalogue had "
        "been read."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "planner.md")
    parser.add_argument("--speeds", type=Path, default=ROOT / "src" / "pare" / "catalog" / "speeds.yaml")
    options = parser.parse_args()
    roofline, lines = speeds.general(), [speeds.h100()]
    speeds.write_speeds(options.speeds, roofline, lines)
    width = speed.half_width(roofline.misses)
    shares = (
        f"Fitted on all rows: {roofline.memory:.0%} of the bandwidth, {roofline.compute:.0%} of the matrix peak and "
        f"{roofline.vector:.0%} of the vector peak are reached, and {1e3 * roofline.constant_s:.2f} ms a step on top. "
        f"80 % interval of a new device: a factor of {np.exp(width):.2f} either way."
    )
    rack = f"{DIFFERS}\n\n{rack_table(roofline, lines)}"
    text = "\n\n".join([devices_table(), shares, CHOSEN, h100_table(), rack, simulated_day(), whole_catalogue()])
    write_block(options.docs, "speed", text)
    print(text)


if __name__ == "__main__":
    main()
