"""The sections of a plan's page on building a model of one's own, and on a log's texts by language."""

from __future__ import annotations

from pare.planner.types import Figure, Plan, Tokenized
from pare.report.html import Html
from pare.report.parts import Cell, Column, Row, Sources, lead, section, table
from pare.report.plan import counted_by, made
from pare.report.plan_cell import cell
from pare.units import percent


def building(plan: Plan, sources: Sources) -> Html | None:
    """What building takes once, in money and energy, and when an offer's price or energy has paid it back."""
    rows = []
    for name, figures in made(plan).items():
        keys = ("project_usd", "project_payback_months", "making_kwh", "making_kg", "payback_requests")
        cells = [cell(figures.get(key), sources) for key in keys]
        if "project_usd" in figures and "project_payback_months" not in figures:
            cells[1] = Cell("never", None)
        rows.append(Row(name, cells))
    columns = [
        Column("model"),
        Column("project", "US dollars, once: an engineer's months, labels"),
        Column("paid back in", "months from the first day of the work, by what a month saves against the offer"),
        Column("energy of the study"),
        Column("CO2 of the study"),
        Column("paid back after", "requests, by the energy that each saves against an API's"),
    ]
    words = (
        "A project is an input: --project-months, --project-usd and --upkeep set it. Its money is told where hosting and an "
        "offer can both be priced."
    )
    return (
        section("building", "What building takes, and when it is paid back", lead(words), table(columns, rows))
        if rows
        else None
    )


def texts(plan: Plan, sources: Sources) -> Html | None:
    """A log's texts by language: how many tokens each tokenizer makes of them, and what each offer charges for them."""
    if not plan.tokens:
        return None
    counted = [
        Column("counted by"),
        Column("language", left=True),
        Column("requests", "share of those sampled"),
        Column("tokens of a prompt", "mean"),
        Column("tokens of an answer", "mean"),
        Column("characters a token", "of prompts and answers"),
        Column("times as many", "tokens for a character as the commonest language takes"),
    ]
    charged = [
        Column("offer"),
        Column("language", left=True),
        Column("1,000 tokens", "US dollars; tokens of prompts and answers together"),
        Column("1,000 characters", "US dollars; characters of prompts and answers together"),
        Column("1,000 requests", "US dollars"),
    ]
    keys = ("usd_per_1k_tokens", "usd_per_1k_characters", "usd_per_1k_requests")
    prices = [
        Row(
            f"{one.subject}, API of {one.provider}",
            [Cell(one.language, one.language, "l"), *(cell(one.figures.get(key), sources) for key in keys)],
        )
        for one in plan.text_prices
    ]
    words = (
        f"{plan.tokens[0].texts:,} requests of the log, by the script of their last message. An offer's tokens are as many "
        "as its own tokenizer counts where that is given (--tokenizer MODEL=PATH), else as the log says."
    )
    return section(
        "texts",
        "Tokens and prices by language",
        lead(words),
        table(counted, [row for one in plan.tokens for row in _rows(one, sources)]),
        table(charged, prices) if prices else None,
    )


def _rows(one: Tokenized, sources: Sources) -> list[Row]:
    def shown(value: float | None) -> Cell:
        return cell(None if value is None else Figure(value, "", one.provenance, one.source), sources)

    return [
        Row(
            counted_by(one),
            [
                Cell(language.name, language.name, "l"),
                Cell(percent(language.share, 0), language.share),
                shown(language.prompt_tokens),
                shown(language.answer_tokens),
                shown(language.characters_per_token),
                shown(language.dearer),
            ],
        )
        for language in one.languages
    ]
