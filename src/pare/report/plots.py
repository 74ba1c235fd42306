"""The sections with plots: the frontier, and coverage against the abstention threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pare.kinds import kind_of
from pare.report.dev import Coverage, coverage
from pare.report.figures import NONE, interval, milliseconds, points, share, shown, significant
from pare.report.html import Html, tag
from pare.report.parts import Cell, Column, Row, lead, note, section, table
from pare.report.svg import Axes, Point, Role, Series, both, lines, scatter
from pare.report.view import View
from pare.report.words import RIGHT, bar_words
from pare.types import Trial
from pare.units import MB

WIDE, NARROW = Axes(540, 360), Axes(350, 330)
SHARES = (1.0, 0.99, 0.95, 0.9, 0.8)


def frontier(view: View) -> Html:
    """Quality on dev against size, and against the time of a request."""
    if not view.complete:
        return section("frontier", "The frontier", lead("No model was finished, so there is nothing to plot."))
    able = [trial for trial in view.complete if trial.size_bytes]
    timed = [trial for trial in view.complete if trial.measurement and "latency_p50_ms" in trial.measurement.figures]
    plots = [
        _plot(view, able, "Quality against size", "size of the served files, MB", lambda t: t.size_bytes / MB)
        if able
        else lead("No size is known."),
        _plot(view, timed, "Quality against time", "time of a request (p50), ms", _p50)
        if timed
        else note("No model was timed, so there is no plot of quality against time."),
    ]
    return section(
        "frontier",
        "The frontier",
        lead(
            f"Each mark is a model that was built and served. Up is better, left is cheaper. The dashed line is the bar, "
            f"{bar_words(view)}; upright lines are 95 % intervals. Dev rows choose, they prove nothing."
        ),
        tag("div", plots, class_="plots"),
        _keys(view),
    )


def abstention(view: View) -> Html:
    """How much is answered, and how well, if the unsure answers are held back."""
    title = "Answering less, answering better"
    trial = view.contender
    found = None if trial is None else view.logits(trial, "calibration")
    if trial is None or found is None:
        return section(
            "abstention", title, lead("No answers on the calibration rows are recorded, so coverage is not shown.")
        )
    decoding = view.decoding(trial)
    threshold = decoding.get("threshold")
    kind = view.task.kind
    curve = coverage(view.calibration, view.facts.labels, found, decoding.get("temperature", 1.0), kind_of(kind))
    held = "answer “none of these”" if kind == "classify" else "hold its answer back"
    right = "accuracy" if kind == "classify" else f"share {RIGHT[kind]}"
    answered = Series("share answered", "answered", [(t, kept) for t, kept, _ in curve.steps])
    accuracy = Series(f"{right} among the answered", "accuracy", [(t, a) for t, _, a in curve.steps if a is not None])

    def draw(axes: Axes) -> Html:
        words = "" if threshold is None else f"deployed: {threshold:.2f}"
        return lines([answered, accuracy], axes, x_title="abstention threshold", mark=threshold, mark_text=words)

    return section(
        "abstention",
        title,
        lead(
            f"{trial.candidate.name} can {held} where its confidence is below a threshold. On "
            f"{curve.n:,} calibration rows: {_deployed(curve, threshold, RIGHT[kind])}"
        ),
        tag(
            "div",
            tag("figure", both(draw, Axes(640, 300), Axes(350, 280)), _line_keys(right)),
            tag(
                "div",
                _coverage_table(curve, RIGHT[kind]),
                note("The threshold was fitted on these same rows, so expect slightly less."),
            ),
            class_="split",
        ),
    )


# -- the scatter plots --------------------------------------------------------------------------------------------------


def _plot(view: View, trials: Sequence[Trial], title: str, x_title: str, x: Callable[[Trial], float]) -> Html:
    metric = view.facts.goal.metric
    dots = [
        Point(
            name=trial.candidate.name,
            x=x(trial),
            y=trial.scores[metric].value,
            low=trial.scores[metric].low,
            high=trial.scores[metric].high,
            role=role(view, trial),
            tip=_tip(view, trial),
        )
        for trial in trials
        if x(trial) > 0
    ]
    words = _bar_label(view)

    def draw(axes: Axes) -> Html:
        return scatter(dots, axes, x_title=x_title, x_text=_tick, bar=view.bar, bar_text=words)

    return tag("figure", tag("figcaption", title), both(draw, WIDE, NARROW))


def role(view: View, trial: Trial) -> Role:
    """How a trial is drawn."""
    if trial == view.winner:
        return "winner"
    if trial == view.reference:
        return "reference"
    if trial == view.baseline:
        return "baseline"
    return "frontier" if trial in view.frontier else "other"


def _p50(trial: Trial) -> float:
    return trial.measurement.figures["latency_p50_ms"].value if trial.measurement else 0.0


def _tick(value: float) -> str:
    return significant(value, 1) if value < 1 else f"{value:,.0f}"


def _bar_label(view: View) -> str:
    if view.bar is None:
        return ""
    goal = view.facts.goal
    if goal.margin is None:
        return f"bar: {share(view.bar)}"
    return f"bar: {view.against} \u2212 {100 * goal.margin:.3g} points"


def _tip(view: View, trial: Trial) -> str:
    """The figures of a trial in a few lines."""
    found = view.figures(trial)
    scored = trial.scores[view.facts.goal.metric]
    rows = [
        trial.candidate.name + "".join(f" · {name}" for name in view.roles(trial)),
        f"{scored.metric} {share(scored.value)} ({interval(scored)})",
    ]
    if trial.drop is not None:
        rows.append(f"{points(-trial.drop)} points to the {view.against}")
    rows.append(
        f"{shown('size_bytes', found.get('size_bytes'))}, {shown('parameters', found.get('parameters'))} parameters"
    )
    if "latency_p50_ms" in found:
        p50, p95, p99 = (found.get(f"latency_{q}_ms") for q in ("p50", "p95", "p99"))
        rows.append(f"p50 {milliseconds(p50.value)}" if p50 else "")
        rows[-1] += "".join(f", {n} {milliseconds(q.value)}" for n, q in (("p95", p95), ("p99", p99)) if q)
    for key in ("throughput_per_s", "memory_mb", "energy_j_per_1k", "cost_usd_per_1k"):
        if key in found:
            rows.append(f"{_TIP[key]} {shown(key, found[key])}")
    return "\n".join(rows)


_TIP = {
    "throughput_per_s": "throughput",
    "memory_mb": "peak memory",
    "energy_j_per_1k": "energy per 1,000",
    "cost_usd_per_1k": "cost per 1,000",
}


def _keys(view: View) -> Html:
    named: list[tuple[Role, str]] = [
        ("winner", "winner"),
        ("frontier", "on the frontier"),
        ("reference", "reference, as served" if view.incumbent is None else "incumbent"),
        ("baseline", f"{'reference' if view.incumbent is None else 'encoder'} in PyTorch fp32"),
        ("other", "other candidates"),
    ]
    present = {role(view, trial) for trial in view.built}
    return tag(
        "div", [tag("span", tag("i", class_=key), words) for key, words in named if key in present], class_="keys"
    )


# -- coverage -----------------------------------------------------------------------------------------------------------


def _deployed(curve: Coverage, threshold: float | None, right: str) -> str:
    if threshold is None:
        return "no threshold is deployed, so everything is answered."
    kept, accuracy = next((kept, a) for t, kept, a in curve.steps if t >= min(threshold, 1.0) - 1e-9)
    words = NONE if accuracy is None else share(accuracy)
    return (
        f"at the deployed threshold of {threshold:.2f} it answers {share(kept)}, with {words} of the answers {right}."
    )


def _line_keys(right: str) -> Html:
    return tag(
        "div",
        tag("span", tag("i", class_="line"), "share answered"),
        tag("span", tag("i", class_="line accuracy"), f"{right} among the answered"),
        class_="keys",
    )


def _coverage_table(curve: Coverage, right: str) -> Html:
    rows = []
    for wanted in SHARES:
        kept = [(t, k, a) for t, k, a in curve.steps if k >= wanted and a is not None]
        if kept:
            threshold, answered, accuracy = kept[-1]
            cells = [Cell(f"{threshold:.2f}"), Cell(share(answered)), Cell(share(accuracy or 0.0))]
            rows.append(Row(f"at least {100 * wanted:.0f} %", cells))
    return table([Column("to answer"), Column("threshold"), Column("answered"), Column(right)], rows)
