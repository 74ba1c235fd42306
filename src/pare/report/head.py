"""The top of the report: the verdict, what it means, warnings, and the reference against the winner."""

from __future__ import annotations

from pare.report.figures import NONE, Better, interval, points, ratio_of, share, shown, times
from pare.report.html import Child, Html, join, tag
from pare.report.parts import MEANING, Cell, Column, Row, Sources, figure_cell, lead, note, section, table
from pare.report.view import View
from pare.report.words import ASSUMES, PARTS, meaning, plural, today
from pare.types import Evidence, Quantity, Trial


def verdict(view: View) -> Html:
    """The verdict in a sentence, its first word in its colour, and what it means."""
    found = view.verdict
    if found is None:
        sentence: Child = [tag("b", "no verdict yet"), ": nothing was tested on the sealed rows"]
    else:
        words = found.sentence.removeprefix(found.answer).lstrip(": ")
        sentence = [tag("b", found.answer), ": ", words]
    return tag(
        "div",
        tag("h1", sentence),
        tag("p", meaning(view)),
        tag("p", ASSUMES, class_="assume"),
        class_=f"verdict {found.answer if found else 'none'}",
    )


def _today(view: View) -> Html | None:
    found = today(view)
    return tag("p", found, class_="who") if found else None


def warnings(view: View) -> Html | None:
    """What a reader must know before believing anything below, or None."""
    found: list[Child] = []
    answer = view.verdict
    if view.winner is None:
        found.append(
            f"There is no winner: no candidate is proven, so the figures below compare the {view.against} with "
            f"{view.contender.candidate.name}, the candidate that came nearest."
            if view.contender is not None
            else "There is no winner, and no candidate was finished that could be compared."
        )
    look = answer.look if answer is not None else view.facts.look
    if look > 1:
        found.append(
            f"This is look {look} at these sealed rows: {plural(look - 1, 'other plan')} read some of them "
            "before. Each look is tested more strictly, so that all of them together keep the stated error."
        )
    found.extend(f"{kind}: {text}" for kind, text in view.events)
    if not found:
        return None
    return tag("div", tag("ul", [tag("li", item) for item in found]), class_="warn", role="note")


def tiles(view: View) -> Html | None:
    """Quality, size, speed and money of the winner in large figures."""
    trial = view.contender
    if trial is None:
        return None
    mine, theirs, torch = (view.figures(t) if t is not None else {} for t in (trial, view.reference, view.baseline))
    p50 = "latency_p50_ms"
    made = [
        _quality_tile(view, trial),
        _tile("Size", mine, "size_bytes", _against(view, mine, theirs, torch, "size_bytes", "low", "smaller")),
        _tile("Time of a request", mine, p50, _against(view, mine, theirs, torch, p50, "low", "faster")),
        _money_tile(view, trial),
    ]
    who = "the winner" if view.winner else "the candidate that came nearest; not proven"
    return join(tag("p", tag("b", trial.candidate.name), f", {who}", class_="who"), tag("div", made, class_="tiles"))


def comparison(view: View, sources: Sources) -> Html:
    """The winner beside the reference as it is served and in PyTorch fp32."""
    role = "the winner" if view.winner else "the best candidate"
    title = f"{view.against.capitalize()} against {role}" if view.reference else f"{role.capitalize()} in figures"
    if view.contender is None:
        return section("comparison", title, lead("No candidate was finished, so there is nothing to compare."))
    named = [
        (_role(view), view.contender),
        (_name_of_reference(view), view.reference),
        ("PyTorch fp32", view.baseline),
    ]
    shown_trials = [(name, trial) for name, trial in named if trial is not None]
    against = [(name, trial) for name, trial in shown_trials if trial is not view.contender]
    columns = (
        [Column("")]
        + [Column(name) for name, _ in shown_trials]
        + [Column(f"times better than {name}") for name, _ in against]
    )
    trials, others = [trial for _, trial in shown_trials], [trial for _, trial in against]
    volume_mark = sources.mark(view.volume, numbered=True)
    rows = [_sealed_row(view, trials, others), _dev_row(view, trials, others)]
    figures = {id(trial): {**view.figures(trial), **view.monthly(trial)} for trial in trials}
    rows += [
        _figure_row(title, key, better, [figures[id(t)] for t in trials], [figures[id(t)] for t in others], sources)
        for title, key, better in _ROWS
    ]
    return section(
        "comparison",
        title,
        lead(
            f"All as served on {view.facts.device.name}, {view.facts.threads} threads"
            f"{', but the incumbent: its sources are at the end' if view.incumbent else ''}. Months are read at "
            f"{view.volume.value:,.0f} requests",
            volume_mark,
            ".",
        ),
        table(columns, [row for row in rows if row is not None]),
        legend(),
        note(
            "Money counts the time in which the machine is busy: cost per 1,000 requests = 1,000 / throughput x cores x "
            "price of a core-hour. A machine that is kept on costs the same by the hour, busy or not. Energy of a month = "
            "joules per 1,000 x requests / 1,000 / 3.6 million. The small numbers lead to the sources at the end."
        ),
    )


def legend() -> Html:
    """What the marks of provenance mean."""
    return tag(
        "div",
        [tag("span", tag("span", class_=f"p {kind}"), f"{kind}: {words}") for kind, words in MEANING.items()],
        class_="legend",
    )


_ROWS: tuple[tuple[str, str, Better], ...] = (
    ("size of the served files", "size_bytes", "low"),
    ("parameters", "parameters", "low"),
    ("time of a request, p50", "latency_p50_ms", "low"),
    ("time of a request, p95", "latency_p95_ms", "low"),
    ("throughput, 32 at a time", "throughput_per_s", "high"),
    ("peak memory of a serving process", "memory_mb", "low"),
    ("machine busy a month", "busy_s_per_month", "low"),
    ("machine cost a month", "cost_usd_per_month", "low"),
    ("energy a month", "energy_kwh_per_month", "low"),
    ("electricity bill a month", "electricity_usd_per_month", "low"),
    ("CO2 a month", "co2_kg_per_month", "low"),
)


def _name_of_reference(view: View) -> str:
    if view.incumbent is not None:
        return f"incumbent ({view.incumbent.model or 'by its log'})"
    return f"reference ({view.reference.candidate.runtime})" if view.reference else ""


def _role(view: View) -> str:
    assert view.contender is not None
    return f"{'winner' if view.winner else 'best candidate'}: {view.contender.candidate.name}"


def _evidence(view: View, trial: Trial) -> Evidence | None:
    found = view.verdict.evidence if view.verdict is not None else ()
    return next((item for item in found if item.name == trial.candidate.name), None)


def _sealed_value(view: View, trial: Trial) -> float | None:
    if view.verdict is None:
        return None
    if trial is view.reference:
        return view.reference_value
    found = _evidence(view, trial)
    return None if found is None else found.value


def _sealed_row(view: View, trials: list[Trial], others: list[Trial]) -> Row | None:
    values = {id(trial): _sealed_value(view, trial) for trial in trials}
    if view.verdict is None or view.contender is None or values[id(view.contender)] is None:
        return None
    mine = values[id(view.contender)]
    assert mine is not None
    cells = [Cell(NONE if values[id(t)] is None else share(values[id(t)] or 0.0)) for t in trials]
    for other in others:
        theirs = values[id(other)]
        cells.append(Cell(NONE) if theirs is None else _points_cell(mine - theirs))
    head = [f"{view.verdict.metric}, sealed", tag("span", f"{view.verdict.n:,} rows, read for the proof", class_="sub")]
    return Row(head, cells)


def _dev_row(view: View, trials: list[Trial], others: list[Trial]) -> Row:
    metric = view.facts.goal.metric
    assert view.contender is not None
    cells = []
    for trial in trials:
        found = trial.scores[metric]
        cells.append(Cell([share(found.value), tag("span", interval(found), class_="sub")]))
    cells += [_points_cell(view.quality(view.contender) - view.quality(other)) for other in others]
    n = view.contender.scores[metric].n
    words = f"{n:,} rows, {view.contender.scores[metric].confidence:.0%} interval below"
    return Row([f"{metric}, dev", tag("span", words, class_="sub")], cells)


def _figure_row(
    title: str,
    key: str,
    better: Better,
    found: list[dict[str, Quantity]],
    others: list[dict[str, Quantity]],
    sources: Sources,
) -> Row | None:
    if not any(key in figures for figures in found):
        return None
    cells = [figure_cell(key, figures.get(key), sources, numbered=True) for figures in found]
    for other in others:
        value = ratio_of(other.get(key), found[0].get(key), better)
        cells.append(Cell(times(value), value, _tone(value)))
    return Row(title, cells)


def _tone(value: float | None) -> str | None:
    return None if value is None or 0.95 < value < 1.05 else "good" if value > 1 else "bad"


def _points_cell(difference: float) -> Cell:
    text = points(difference)
    word = "point" if text.lstrip("+\u2212") == "1.0" else "points"
    return Cell(f"{text} {word}", difference)


# -- tiles --------------------------------------------------------------------------------------------------------------


def _quality_tile(view: View, trial: Trial) -> Html:
    sealed = _sealed_value(view, trial)
    mine = view.quality(trial) if sealed is None else sealed
    where = "dev rows" if sealed is None else "sealed rows"
    words = [f"{view.facts.goal.metric} on the {where}"]
    if view.reference is not None:
        theirs = view.quality(view.reference) if sealed is None else _sealed_value(view, view.reference)
        if theirs is not None:
            words.append(f"{points(mine - theirs)} points to the {view.against} ({share(theirs)})")
    return _box("Quality", share(mine), "; ".join(words))


def _tile(title: str, found: dict[str, Quantity], key: str, words: str) -> Html:
    return _box(title, shown(key, found.get(key)) if key in found else "not measured", words)


def _money_tile(view: View, trial: Trial) -> Html:
    ours, other = view.monthly(trial), view.monthly(view.reference) if view.reference is not None else {}
    cost, energy = "cost_usd_per_month", "energy_kwh_per_month"
    if cost not in ours:
        return _box("Cost a month", "not measured", "")
    words = [f"{ours[cost].provenance}, while the machine is busy with {view.volume.value:,.0f} requests"]
    ratio = ratio_of(other.get(cost), ours[cost], "low")
    if ratio is not None:
        words.append(f"{times(ratio)} less than the {view.against} ({shown(cost, other[cost])})")
    if energy in ours:
        than = f" against {shown(energy, other[energy])} ({other[energy].provenance})" if energy in other else ""
        words.append(f"energy {shown(energy, ours[energy])} ({ours[energy].provenance}){than}")
    return _box("Cost a month", shown(cost, ours[cost]), "; ".join(words))


def _box(title: str, value: str, words: str) -> Html:
    return tag(
        "div",
        tag("div", title, class_="k"),
        tag("div", value, class_="v"),
        tag("div", words, class_="d"),
        class_="tile",
    )


def _against(
    view: View,
    mine: dict[str, Quantity],
    theirs: dict[str, Quantity],
    torch: dict[str, Quantity],
    key: str,
    better: Better,
    word: str,
) -> str:
    found: list[str] = []
    served = "the reference as served" if view.incumbent is None else "the incumbent over the network"
    for name, other in ((served, theirs), ("in PyTorch fp32", torch)):
        value = ratio_of(other.get(key), mine.get(key), better)
        if value is not None:
            found.append(f"{times(value)} {word} than {name}" if not found else f"{times(value)} than {name}")
    return ", ".join(found)


def top(view: View) -> Html:
    """Everything above the first heading."""
    name = tag("span", tag("b", "pare"), " · ", tag("b", view.task.name))
    classes = f"{len(view.facts.labels)} {PARTS[view.task.kind]}s"
    kind = f"{view.facts.rows_read:,} rows, {classes}, {plural(len(view.built), 'model')} built"
    eyebrow = tag("div", name, tag("span", kind), class_="eyebrow")
    return join(eyebrow, verdict(view), _today(view), warnings(view), tiles(view))
