"""Where the winner differs from the reference on the dev rows: by class, and row by row."""

from __future__ import annotations

from collections.abc import Sequence

from pare.report.dev import ClassChange, Differences, Example, differences
from pare.report.figures import points, share
from pare.report.html import Child, Html, join, tag
from pare.report.parts import Cell, Column, Row, lead, section, table, user_text
from pare.report.view import View

SHOWN = 20
CLASSES = 14


def changes(view: View) -> Html:
    """Both sections on the dev rows, or one sentence that says why there are none."""
    found = _compare(view)
    if isinstance(found, str):
        return section("classes", "What changes, class by class", lead(found))
    assert view.contender is not None
    name = view.contender.candidate.name
    who = f"{name} against the reference, on the {found.n:,} dev rows"
    return join(
        section(
            "classes",
            "What changes, class by class",
            lead(f"{who}: of the rows of each label, the share that is recognised. The worst change is on top."),
            _classes(found.classes),
        ),
        section(
            "examples",
            "Rows lost and rows won",
            lead(
                f"{who}: {len(found.lost):,} rows that only the reference gets right, {len(found.won):,} that only {name} "
                f"gets right. Up to {SHOWN} of each, the surest answers first. Sealed rows are never shown."
            ),
            tag("h3", f"Lost: {_few(found.lost)}"),
            _examples(found.lost, name),
            tag("h3", f"Won: {_few(found.won)}"),
            _examples(found.won, name),
        ),
    )


def _compare(view: View) -> Differences | str:
    if view.contender is None:
        return "No candidate was finished, so there is nothing to compare."
    if view.reference is None:
        return "There is no reference model in this study, so there is nothing to compare with."
    before, after = view.logits(view.reference, "dev"), view.logits(view.contender, "dev")
    if before is None or after is None:
        return "The answers on the dev rows are not recorded, so the changes cannot be shown."
    return differences(view.dev, view.facts.labels, before, after)


def _few(found: Sequence[Example]) -> str:
    return f"{min(SHOWN, len(found))} of {len(found)}"


def _classes(found: Sequence[ClassChange]) -> Html:
    """The worst classes, and behind a fold the rest."""
    if len(found) <= CLASSES + 4:
        return _class_table(found)
    rest = found[CLASSES:]
    return join(
        _class_table(found[:CLASSES]),
        tag("details", tag("summary", f"the other {len(rest)} labels"), _class_table(rest)),
    )


def _class_table(found: Sequence[ClassChange]) -> Html:
    widest = max(0.05, *(abs(item.change) for item in found))
    columns = [
        Column("label"),
        Column("rows"),
        Column("reference"),
        Column("now"),
        Column("change, points"),
        Column("when wrong, mostly", left=True),
    ]
    rows = [
        Row(
            user_text(item.label, 60),
            [
                Cell(f"{item.n:,}", item.n),
                Cell(
                    [share(item.before / item.n), tag("span", f"{item.before} right", class_="sub")],
                    item.before / item.n,
                ),
                Cell(
                    [share(item.after / item.n), tag("span", f"{item.after} right", class_="sub")], item.after / item.n
                ),
                Cell([points(item.change), _delta(item.change / widest)], item.change),
                Cell(user_text(item.instead, 60) if item.instead else "", item.instead, "l"),
            ],
        )
        for item in found
    ]
    return table(columns, rows, sortable=True)


def _delta(change: float) -> Html:
    """A bar from the middle to the left for a loss, to the right for a gain; 1 is the whole half."""
    width = 46.0 * abs(change)
    if width < 0.5:
        return tag("span", class_="delta")
    left = 46.0 if change > 0 else 46.0 - width
    return tag(
        "span",
        tag("i", class_="up" if change > 0 else None, style=f"left:{left:.1f}px;width:{width:.1f}px"),
        class_="delta",
    )


def _examples(found: Sequence[Example], name: str) -> Html:
    if not found:
        return lead("None.")
    columns = [Column("text", left=True), Column("truth", left=True), Column("reference said", left=True)]
    columns += [Column(f"{name} said", left=True), Column("sure")]
    rows = [
        tag(
            "tr",
            tag("td", user_text(item.text), class_="t"),
            _said(item.truth),
            _said(item.before),
            _said(item.after),
            tag("td", f"{item.sure:.0%}"),
        )
        for item in found[:SHOWN]
    ]
    heads = [tag("th", column.title, scope="col", class_="l" if column.left else None) for column in columns]
    body: Child = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows))
    return tag("div", body, class_="scroll", tabindex=0, role="region", aria_label="examples")


def _said(label: str) -> Html:
    return tag("td", user_text(label, 60), class_="l")
