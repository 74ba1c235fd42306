"""The report: one self-contained HTML file beside the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pare.artifacts import write_whole
from pare.report import closing, examples, head, plots, proof, trials
from pare.report.html import Html, join, tag
from pare.report.parts import Sources
from pare.report.style import SCRIPT, STYLE, policy
from pare.report.view import View, view
from pare.search.study import REPORT, Study
from pare.types import Sample

__all__ = ["page", "write"]


def write(study: Study, dev: Sequence[Sample] = (), calibration: Sequence[Sample] = ()) -> Path:
    """Writes ``report.html`` into the run folder and returns its path. Readers see the old file or the whole new one.

    ``dev`` and ``calibration`` are the samples in the order of the recorded logits; without them the sections that need
    texts say so. Raises InputError where the study was stopped before it had read its data.
    """
    path = study.path / REPORT
    write_whole(path, page(view(study, dev, calibration)))
    return path


def page(seen: View) -> Html:
    """The whole document."""
    sources = Sources()
    body = join(
        head.top(seen),
        head.comparison(seen, sources),
        plots.frontier(seen),
        examples.changes(seen),
        plots.abstention(seen),
        trials.all_trials(seen, sources),
        proof.proof(seen),
        closing.serving(seen),
        closing.data(seen),
        closing.environment(seen),
        closing.provenance(sources),
    )
    return document(f"pare: {seen.task.name}", body)


def document(title: str, body: Html, script: Html = SCRIPT, style: Html = STYLE) -> Html:
    """A self-contained HTML file around the sections of a page. It loads nothing and runs ``script`` alone."""
    whole = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy(script)}">'),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title),
            tag("style", style),
        ),
        tag("body", tag("main", body), tag("div", id="tip", role="tooltip"), tag("script", script)),
        lang="en",
    )
    return Html(f"<!doctype html>\n{whole}\n")
