"""What ``pare synthesize`` may cost: the cap is the user's, it is held, and nothing that is paid is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp", reason="the remote extra is not installed")

from pare import api
from pare.errors import InputError
from pare.testing.author import ask, rows, said
from pare.testing.server import Asked, Canned, serving


@pytest.mark.parametrize("check", [False, True])
def test_an_estimate_above_the_cap_asks_nothing(task: Path, check: bool) -> None:
    more = ["--check"] if check else []
    with serving(said) as server:
        done = ask(task, server, "--price-in", "1000", "--price-out", "1000", "--max-usd", "0.01", *more)
        assert isinstance(done.exception, InputError)
        assert "above the cap of $0.01" in str(done.exception)
        assert not server.asked
    assert not (task.parent / "synthetic.csv").exists()


def test_the_check_counts_towards_the_cap_beforehand(task: Path) -> None:
    said_of_it: list[str] = []
    with serving(said) as server:
        with pytest.raises(InputError, match="messages and their check cost about"):
            api.synthesize(
                task,
                per_class=20,
                check=True,
                say=said_of_it.append,
                teacher=server.url,
                model="teacher",
                price_in=Decimal(1),
                price_out=Decimal(1),
                cap=(cap := Decimal("0.0012")),
            )
        assert not server.asked
    first, second = (Decimal(found) for found in re.findall(r"about \$([\d.]+)", " ".join(said_of_it)))
    assert first < cap < first + second


PRICES: dict[str, Any] = {"price_in": Decimal(1), "price_out": Decimal(1)}


def reckoned(task: Path, per_class: int) -> tuple[Decimal, Decimal]:
    """What the messages are estimated to cost, and their check."""
    heard: list[str] = []
    with pytest.raises(InputError, match="their check cost about"):
        api.synthesize(
            task,
            per_class=per_class,
            check=True,
            say=heard.append,
            teacher="http://localhost:9/v1",
            model="teacher",
            cap=Decimal("1e-9"),
            **PRICES,
        )
    first, second = (Decimal(found) for found in re.findall(r"about \$([\d.]+)", " ".join(heard)))
    return first, second


def dear(usd: Decimal, texts: Callable[[Asked], str] = said) -> Callable[[Asked], str | Canned]:
    """A teacher whose messages cost so much a request, at a dollar for a million tokens; its labels are right."""

    def answer(sent: Asked) -> str | Canned:
        if not sent.text.startswith("Class: "):
            return json.dumps({"label": "phone"})
        return Canned(texts(sent), tokens_in=0, tokens_out=int(usd * 10**6))

    return answer


def test_a_check_that_does_not_fit_is_left_out_and_made_under_the_cap_it_names(task: Path) -> None:
    first, second = reckoned(task, 20)
    cap = first + second
    with serving(dear((cap - second / 4) / 2)) as server:
        asked: dict[str, Any] = {"teacher": server.url, "model": "teacher", **PRICES}
        found = api.synthesize(task, per_class=20, check=True, cap=cap, **asked)
        sent = len(server.asked)
        assert sent == found.asked == 2
        assert (found.rows, found.set_aside) == (0, {"not checked": found.wanted})
        aside = rows(Path(found.quarantine))
        assert {row["reason"] for row in aside} == {"not checked: the cap was reached"}
        assert rows(Path(found.path)) == []
        own, enough = re.findall(r"a? cap of \$([\d.]+\d)", found.stopped)
        assert found.stopped.startswith(f"not checked: {found.wanted} of {found.wanted} messages")
        assert cap <= Decimal(own) < cap * Decimal("1.1")
        again = api.synthesize(task, per_class=20, check=True, cap=Decimal(enough), **asked)
    assert (again.rows, again.stopped) == (found.wanted, "")
    assert (again.reused, again.asked) == (sent, found.wanted)
    assert again.path == found.path


def test_a_cap_that_ends_the_check_is_the_users_own(task: Path) -> None:
    first, second = reckoned(task, 20)

    def answer(sent: Asked) -> Canned:
        if sent.text.startswith("Class: "):
            return Canned(said(sent), tokens_in=0, tokens_out=int(first / 2 * 10**6))
        return Canned('{"label": "phone"}', tokens_in=int(second / 5 * 10**6), tokens_out=0)

    with serving(answer) as server:
        asked: dict[str, Any] = {"teacher": server.url, "model": "teacher", **PRICES}
        found = api.synthesize(task, per_class=20, check=True, cap=first + second, **asked)
        assert 0 < found.rows < found.wanted
        left = found.wanted - found.rows
        own, enough = re.findall(r"a? cap of \$([\d.]+\d)", found.stopped)
        assert found.stopped.startswith(f"not checked: {left} of {found.wanted} messages")
        assert first + second <= Decimal(own) < Decimal(enough)
        again = api.synthesize(task, per_class=20, check=True, cap=Decimal(enough), **asked)
    assert again.rows > found.rows


def test_what_is_all_paid_is_never_refused(task: Path) -> None:
    first, second = reckoned(task, 20)

    def half(sent: Asked) -> str:
        texts = json.loads(said(sent))["messages"]
        return json.dumps(texts[: len(texts) // 2])

    cap = first + second
    with serving(dear((first + second * Decimal("0.3")) / 2, half)) as server:
        asked: dict[str, Any] = {"teacher": server.url, "model": "teacher", "cap": cap, **PRICES}
        found = api.synthesize(task, per_class=20, check=True, **asked)
        assert (found.stopped, found.rows > 0) == ("", True)
        again = api.synthesize(task, per_class=20, check=True, **asked)
    assert (again.asked, again.reused, again.rows) == (0, found.asked, found.rows)


def test_messages_that_end_at_the_cap_go_on_under_the_cap_and_the_check_it_names(task: Path) -> None:
    first, second = reckoned(task, 50)
    with serving(dear(first / 2)) as server:
        asked: dict[str, Any] = {"teacher": server.url, "model": "teacher", **PRICES}
        found = api.synthesize(task, per_class=50, check=True, cap=first + second, **asked)
        assert found.rows == 0
        named = r"same command with a cap of \$([\d.]+\d) .* about \$([\d.]+\d) more"
        enough, more = re.findall(named, found.stopped)[0]
        again = api.synthesize(task, per_class=50, check=True, cap=Decimal(enough) + Decimal(more), **asked)
    assert (again.reused, again.stopped) == (found.asked, "")
    assert 0 < again.rows == again.kept["phone"]
