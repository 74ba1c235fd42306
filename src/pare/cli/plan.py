"""``pare plan``: what it takes to run a model, in servers, racks, kilowatts, money and CO2; to buy or to host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pare import api
from pare.capacity.asked import EVERY_SERVER, LIMITS, TERMS, read_prices
from pare.cli.output import emit, json_flag, say
from pare.level import DEFAULT_MIN_TPS
from pare.planner.rack import read_rack


class Number(click.ParamType[float]):
    """A number, with underscores or a percent sign if one likes: ``0.35``, ``35%``, ``12_000``."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            return float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"{text!r} is no number", param, ctx)


F = TypeVar("F", bound=Callable[..., Any])


def _number(flag: str, help: str) -> Callable[[F], F]:
    """An option that takes a number, its range in its help."""
    low, high = LIMITS[flag.removeprefix("--").replace("-", "_")]
    return click.option(flag, type=Number(), help=f"{help}, from {low:g} to {high:g}")


@click.command("plan")
@click.argument("model", required=False, metavar="[RUN|MODEL]")
@click.option(
    "--compare", default="", help="models beside it, by comma: catalogue names, runs, own:PATH, API models; or all"
)
@click.option("--sessions", type=int, help="sessions answered at once; default: the log's or the run's, else 100")
@click.option(
    "--min-tps", type=Number(), default=DEFAULT_MIN_TPS, show_default=True, help="tokens a second of each session"
)
@_number("--prompt", "tokens of a prompt; default: the log's, else 512")
@_number("--answer", "tokens of an answer; default: the log's, else 128")
@_number(
    "--every",
    "seconds from one request of a session to its next; default: what an answer takes, of a one-step run 30",
)
@click.option(
    "--usage", type=click.Path(path_type=Path), help="a log of a large model: tokens, arrivals and volume are read"
)
@click.option(
    "--tokenizer",
    multiple=True,
    metavar="PATH",
    help="count the log's texts with it too: a tokenizer.json or its folder, or MODEL=PATH; may be given again",
)
@click.option("--growth", default="", help="how sessions grow: 5%/month, 40%/year")
@click.option(
    "--devices", default=EVERY_SERVER, show_default=True, help="devices by comma; all; servers: with known power; here"
)
@click.option("--rack", default="", help="height and power of a rack: 42U,12.5kW, of which 2 U and 1 kW are kept")
@click.option("--licence", type=click.Choice(TERMS), default=None, help="leave out models with less free terms")
@click.option(
    "--width", default="", help="bits of weights, and of embeddings, head and kv: w8; int4,head=8,kv=8  [default: w8]"
)
@click.option("--region", default="", help="whose grid: SAU, a country's name, world; default: the catalogue's average")
@click.option("--price", multiple=True, metavar="USD", help="price of a server, or DEVICE=USD; may be given again")
@_number("--energy-price", "USD a kWh")
@_number("--pue", "power usage effectiveness of the site")
@_number("--utilisation", "mean load as a share of the peak")
@_number("--years", "years over which hardware is written off")
@_number("--operation", "USD a server and year for space, network and support")
@_number("--staff", "USD a server and year for people")
@_number("--project-months", "months that building a model of one's own takes")
@_number("--project-usd", "USD that building it costs once")
@_number("--upkeep", "USD a month for keeping it up")
@click.option("--batch", is_flag=True, help="what APIs charge for batched requests, where a batch rate is known")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="write the plan as a page with plots too")
@json_flag
def command(
    model: str | None,
    compare: str,
    devices: str,
    rack: str,
    price: tuple[str, ...],
    html: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Plan what it takes to run a RUN's winner, a MODEL or several, on which servers, at what cost; or to buy it.

    MODEL is a run, an artifact, a folder with a config.json, a name or hub id of the catalogue, or an API's model. Every
    figure says whether it was measured, modelled or assumed; what is unknown is asked for.
    """
    names = [name.strip() for name in (model or "", *compare.split(","))]
    given = {name: value for name, value in given.items() if value is not None}
    if rack:
        given["rack"] = read_rack(rack)
    found = api.plan(
        *(name for name in names if name),
        devices=tuple(name.strip() for name in devices.split(",") if name.strip()),
        price=read_prices(price),
        **given,
    )
    if html is not None:
        from pare.report.plan_page import write

        say(f"page: {write(found, html)}")
    if as_json:
        from pare.report.plan import summary

        emit(summary(found))
    else:
        from pare.report.plan import show

        show(found)
