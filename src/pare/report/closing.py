"""The end of the report: how to use the winner, the data, the machine, and where the figures come from."""

from __future__ import annotations

import json
import shlex

from pare.report.figures import share
from pare.report.head import legend
from pare.report.html import Child, Html, tag
from pare.report.parts import Sources, lead, note, section, terms
from pare.report.view import View
from pare.report.words import ASSUMES, PARTS
from pare.search.space import REFERENCE
from pare.search.study import QUARANTINE
from pare.types import SIDES
from pare.units import megabytes

_SIDES = {
    "train": "models learn from them",
    "dev": "they choose among models",
    "calibration": "they fit temperature and threshold",
    "test": "sealed: read for the proof only",
}


def serving(view: View) -> Html:
    """How to run what was found."""
    title = "How to run it"
    if view.winner is None:
        return section("run", title, lead("There is no winner, so there is nothing to put to work yet."))
    run = shlex.quote(str(view.study.path))
    shell = (
        f'pare run {run} "where is my card?"      # one text\n'
        f"pare run {run} messages.txt > out.jsonl   # a file, one text a line, to JSON lines"
        f"{_bench(run, view)}"
    )
    python = (
        f"import pare\n\nmodel = pare.load({json.dumps(str(view.study.path), ensure_ascii=False)})\n"
        'for answer in model.classify(["where is my card?"]):\n'
        f"    print(answer.{'label' if view.task.kind == 'classify' else 'labels'}, answer.confidence, answer.abstain)"
    )
    return section(
        "run",
        title,
        lead(
            f"The winner, {view.winner.candidate.name}, is a folder of {megabytes(view.winner.size_bytes)}. It runs with "
            "the light install, without PyTorch."
        ),
        tag("pre", tag("code", shell)),
        tag("pre", tag("code", python)),
    )


def _bench(run: str, view: View) -> str:
    """How to time the winner against the encoder; nothing where there is no other model of pare's to time."""
    others = [trial for trial in view.built if trial is not view.winner]
    if not others:
        return ""
    known = {trial.candidate.name for trial in others}
    against = "" if REFERENCE in known else f" --against {others[0].candidate.name}"
    return f"\npare bench {run}{against}                          # time winner and encoder on this machine, in turns"


def data(view: View) -> Html:
    """The rows: their sides, what was set aside, and what was said about them before any training."""
    facts = view.facts
    total = sum(facts.sides.values()) or 1
    pairs: list[tuple[str, Child]] = [("file", view.task.data.path), ("rows read", f"{facts.rows_read:,}")]
    pairs += [
        (f"{side} rows", f"{facts.sides.get(side, 0):,} ({share(facts.sides.get(side, 0) / total)}): {_SIDES[side]}")
        for side in SIDES
    ]
    beside = [("synthetic rows", facts.synthetic), ("unlabelled texts", facts.unlabelled)]
    pairs += [(what, f"{count:,}: to train only") for what, count in beside if count]
    aside = f"{facts.quarantined:,}" + (f", each with its reason in {QUARANTINE}" if facts.quarantined else "")
    pairs += [
        ("set aside", aside),
        (f"{PARTS[view.task.kind]}s", f"{len(facts.labels):,}"),
        ("fingerprint", facts.data),
    ]
    notes = tag("ul", [tag("li", text) for text in facts.notes], class_="small") if facts.notes else None
    return section("data", "The data", terms(pairs), tag("h3", "Said before any training") if notes else None, notes)


def environment(view: View) -> Html:
    """The machine, the date and the versions."""
    device = view.facts.device
    pairs: list[tuple[str, Child]] = [
        ("begun", view.facts.started),
        ("processor", device.name),
        ("cores, threads used", f"{device.cores}, {view.facts.threads}"),
        ("memory", f"{device.memory_bytes / 1e9:.1f} GB"),
        ("features", ", ".join(device.features) or "none recorded"),
        ("seed", f"{view.task.seed}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(view.facts.versions.items()))),
    ]
    workloads = sorted({trial.measurement.workload for trial in view.complete if trial.measurement})
    if workloads:
        pairs.append(("workload", "; ".join(workloads)))
    return section("environment", "The machine", terms(pairs))


def provenance(sources: Sources, closing: str = ASSUMES, none: str = "No figure is shown.") -> Html:
    """The sources of all figures on the page, numbered, and what they rest on. Call it after every section that marks
    figures; ``none`` stands where nothing is marked.
    """
    items = [
        tag("li", tag("b", kind), f": {source}", id=f"source-{number}")
        for (kind, source), number in sorted(sources.known.items(), key=lambda item: item[1])
    ]
    return section(
        "sources",
        "Where the figures come from",
        legend(),
        tag("ol", items, class_="sources") if items else note(none),
        note(closing),
    )
