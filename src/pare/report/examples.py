"""Where the winner differs from the reference on the dev rows: by class, and row by row."""

from __future__ import annotations

from collections.abc import Sequence

from pare.kinds import entities, kind_of
from pare.report.dev import ClassChange, Differences, Example, differences
from pare.report.figures import points, share
from pare.report.html import Html, join, tag
from pare.report.parts import Cell, Column, Row, lead, scrolled, section, table, user_label, user_text
from pare.report.view import View
from pare.report.words import COUNTED, PARTS, RIGHT

SHOWN = 20
CLASSES = 14


def changes(view: View) -> Html:
    """Both sections on the dev rows, or one sentence that says why there are none."""
    found = _compare(view)
    if isinstance(found, str):
        return section("classes", "What changes, class by class", lead(found))
    assert view.contender is not None
    name = view.contender.candidate.name
    part, words, right = PARTS[view.task.kind], COUNTED[view.task.kind], RIGHT[view.task.kind]
    who = f"{name} against the {view.against}, on the {found.n:,} dev rows"
    return join(
        section(
            "classes",
            "What changes, class by class",
            lead(f"{who}: of the {words} of each {part}, the share that is recognised. The worst change is on top."),
            _classes(found.classes, part, words, view.against),
        ),
        section(
            "examples",
            "Rows lost and rows won",
            lead(
                f"{who}: {len(found.lost):,} rows that only the {view.against} gets {right}, {len(found.won):,} that only "
                f"{name} gets {right}. Up to {SHOWN} of each, the surest answers first. Sealed rows are never shown."
            ),
            tag("h3", f"Lost: {_few(found.lost)}"),
            _examples(found.lost, view, name),
            tag("h3", f"Won: {_few(found.won)}"),
            _examples(found.won, view, name),
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
    return differences(view.dev, view.facts.labels, before, after, kind_of(view.task.kind))


def _few(found: Sequence[Example]) -> str:
    return f"{min(SHOWN, len(found))} of {len(found)}"


def _classes(found: Sequence[ClassChange], part: str, words: str, against: str) -> Html:
    """The worst classes, and behind a fold the rest."""
    if len(found) <= CLASSES + 4:
        return _class_table(found, part, words, against)
    rest = found[CLASSES:]
    return join(
        _class_table(found[:CLASSES], part, words, against),
        tag("details", tag("summary", f"the other {len(rest)} {part}s"), _class_table(rest, part, words, against)),
    )


def _class_table(found: Sequence[ClassChange], part: str, words: str, against: str) -> Html:
    """``part`` names what a class is, ``words`` what is counted. Without what was said instead, its column is left out."""
    named = any(item.instead for item in found)
    widest = max(0.05, *(abs(item.change) for item in found))
    columns = [
        Column(part),
        Column("change, points"),
        Column(words),
        Column(against),
        Column("now"),
        *([Column("when wrong, mostly", left=True)] if named else []),
    ]
    rows = [
        Row(
            user_label(item.label),
            [
                Cell([points(item.change), _delta(item.change / widest)], item.change),
                Cell(f"{item.n:,}", item.n),
                Cell(
                    [share(item.before / item.n), tag("span", f"{item.before} right", class_="sub")],
                    item.before / item.n,
                ),
                Cell(
                    [share(item.after / item.n), tag("span", f"{item.after} right", class_="sub")], item.after / item.n
                ),
                *([Cell(user_label(item.instead) if item.instead else "", item.instead, "l")] if named else []),
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


def _examples(found: Sequence[Example], view: View, name: str) -> Html:
    """The rows with what was said of them. A narrow page stacks the cells, so each carries its column's name."""
    if not found:
        return lead("None.")
    first, second, tagged = f"{view.against} said", f"{name} said", view.task.kind == "tag"
    heads = [tag("th", title, scope="col", class_="l") for title in ("text", "truth", first, second)]
    rows = [
        tag(
            "tr",
            tag("td", user_text(item.text), class_="t"),
            *(
                _said(column, _in_words(item.text, cell, tagged))
                for column, cell in (("truth", item.truth), (first, item.before), (second, item.after))
            ),
            tag("td", f"{item.sure:.0%}", data_k="sure"),
        )
        for item in found[:SHOWN]
    ]
    body = tag("table", tag("thead", tag("tr", heads, tag("th", "sure", scope="col"))), tag("tbody", rows))
    return scrolled(body, "examples", "examples")


def _in_words(text: str, cell: str, tagged: bool) -> str:
    """A cell as people read it: of tagged words, the entities."""
    if not tagged:
        return cell
    return ", ".join(f"{entity.text} ({entity.type})" for entity in entities(text, cell.split())) or "none"


def _said(column: str, label: str) -> Html:
    return tag("td", user_label(label), class_="l", data_k=column)
