"""A call from end to end, against a server on this machine."""

from __future__ import annotations

import asyncio
import builtins
import logging
import signal
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pare.errors import InputError, Interrupted, MissingExtra
from pare.remote import Endpoint, Parameters, Price, Progress, Prompt, Retry, answers, estimate
from pare.remote.client import _proxy
from pare.testing.server import Asked, Canned, Limit, Step, serving

PRICE = Price(Decimal(1), Decimal(10))


def prompts(n: int) -> list[Prompt]:
    return [Prompt.of(f"row {i}") for i in range(n)]


def echo(asked: Asked) -> str:
    return f"answer to {asked.text}"


def texts(found: Any, number: int = 0) -> list[str | None]:
    return [None if answer is None else answer.text for answer in found.passes[number]]


# -- what is asked, and what is kept ----------------------------------------------------------------------------------


def test_every_prompt_is_answered_in_order_and_never_asked_again(tmp_path: Path) -> None:
    steps: list[Progress] = []
    with serving(echo) as server:
        endpoint = Endpoint(server.url, "m")
        found = answers(endpoint, prompts(20), tmp_path, price=PRICE, progress=steps.append)
        assert texts(found) == [f"answer to row {i}" for i in range(20)]
        assert (found.asked, found.reused, found.complete, found.stopped) == (20, 0, True, "")
        assert found.spent_usd == 20 * 2 * PRICE.usd_per_million_in / 10**6 + 20 * 4 * Decimal(10) / 10**6 + Decimal(0)
        assert [step.done for step in steps] == list(range(1, 21))
        again = answers(endpoint, prompts(21), tmp_path, price=PRICE)
        assert (again.asked, again.reused, again.complete) == (1, 20, True)
        assert [server.count(f"row {i}") for i in range(21)] == [1] * 21
        first = again.passes[0][0]
        assert first is not None
        assert first.cached


def test_prompts_that_are_the_same_are_asked_once_a_pass(tmp_path: Path) -> None:
    with serving(echo) as server:
        found = answers(Endpoint(server.url, "m"), [Prompt.of("x")] * 5, tmp_path, passes=2)
        assert server.count("x") == 2
    assert texts(found, 0) == texts(found, 1) == ["answer to x"] * 5


def test_the_first_request_goes_alone_and_then_no_more_than_allowed_at_once(tmp_path: Path) -> None:
    answered_before: list[int] = []
    with serving(delay_s=0.05) as server:
        server.listen(lambda asked: answered_before.append(len(server.statuses)))
        answers(Endpoint(server.url, "m"), prompts(13), tmp_path, concurrency=4)
        assert server.peak == 4
    assert answered_before[:2] == [0, 1]


def test_nothing_to_ask_needs_no_server_and_no_key(tmp_path: Path) -> None:
    found = answers(Endpoint("https://nowhere.example/v1", "m", key_env="ABSENT_KEY"), [], tmp_path, cap_usd=Decimal(0))
    assert (found.passes, found.complete) == (((),), True)


def test_a_truncated_answer_is_flagged_and_an_uncounted_one_is_unsure(tmp_path: Path) -> None:
    said = {"row 0": Canned("x" * 40), "row 1": Canned("short", usage=False)}
    with serving(lambda asked: said[asked.text]) as server:
        found = answers(
            Endpoint(server.url, "m"), prompts(2), tmp_path, parameters=Parameters(max_tokens=4), price=PRICE
        )
    assert [answer is not None and answer.truncated for answer in found.passes[0]] == [True, False]
    assert found.truncated == 1
    assert found.spent_usd == Decimal("0.000042")
    assert found.unsure_usd == Decimal("0.000006") + Decimal("0.000020")


def test_limits_in_headers_are_kept_without_a_single_429(tmp_path: Path) -> None:
    with serving(limit=Limit(requests=5, window_s=0.25)) as server:
        found = answers(Endpoint(server.url, "m"), prompts(12), tmp_path)
        assert found.complete
        assert set(server.statuses) == {200}


# -- failures that pass -----------------------------------------------------------------------------------------------

FAILURES = [
    Step(status=408),
    Step(status=409),
    Step(status=429),
    Step(status=500),
    Step(status=529, body="<html>overloaded</html>"),
    Step(body="{not json"),
    Step(body='{"choices": []}'),
    Step(body='{"error": {"code": 503, "message": "the server behind is down"}}'),
    Step(drop=True),
]


@pytest.mark.parametrize("step", FAILURES, ids=lambda step: step.body or str("drop" if step.drop else step.status))
def test_what_passes_is_asked_again_after_a_jittered_rest(step: Step, tmp_path: Path, waits: Any) -> None:
    with serving(echo, script=[step] * 3) as server:
        found = answers(Endpoint(server.url, "m"), prompts(1), tmp_path, clock=waits.clock)
        assert len(server.asked) == 4
    assert texts(found) == ["answer to row 0"]
    assert waits.draws == [(0, 0.5), (0, 1), (0, 2)]
    assert waits.rests == [0.5, 1, 2]


def test_a_timeout_is_asked_again_and_counts_as_maybe_charged(tmp_path: Path) -> None:
    retry = Retry(base_s=0.001, timeout_s=1)
    with serving(echo, script=[Step(delay_s=30)]) as server:
        found = answers(Endpoint(server.url, "m"), prompts(1), tmp_path, price=PRICE, retry=retry)
    assert found.complete
    assert found.unsure_usd == Decimal("0.000006") + Decimal("0.002560"), "at its most: 256 tokens"


def test_the_server_s_own_wait_is_honoured_and_holds_all(tmp_path: Path, waits: Any) -> None:
    waits.drawn = 0.0
    script = [
        Step(),
        Step(status=429, headers={"Retry-After": "7"}),
        Step(status=503, headers={"Retry-After-ms": "9500"}),
    ]
    with serving(echo, script=script) as server:
        found = answers(Endpoint(server.url, "m"), prompts(3), tmp_path, concurrency=1, clock=waits.clock)
    assert found.complete
    assert waits.rests == [7, 9.5]


def test_an_endpoint_that_stays_down_ends_the_call_with_what_is_kept(tmp_path: Path, waits: Any) -> None:
    script = [Step(), Step(), *[Step(status=503, message="overloaded")] * 50]
    with serving(echo, script=script) as server:
        endpoint = Endpoint(server.url, "m")
        with pytest.raises(
            InputError, match=r"503 Service Unavailable: overloaded, after 8 attempts.*2 of 9 answers"
        ) as raised:
            answers(endpoint, prompts(9), tmp_path, concurrency=2, clock=waits.clock)
    assert "\n" not in str(raised.value)


def test_a_wait_beyond_patience_ends_the_call(tmp_path: Path, waits: Any) -> None:
    with (
        serving(script=[Step(status=429, headers={"retry-after": "7200"})]) as server,
        pytest.raises(InputError, match="asks to wait 2 h 00 min, longer than 10 min"),
    ):
        answers(Endpoint(server.url, "m"), prompts(3), tmp_path, clock=waits.clock)
    assert waits.rests == []


def test_a_server_that_is_not_there_is_said_soon(tmp_path: Path, waits: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        InputError, match=rf"127.0.0.1:{port}: it cannot be reached .* after 3 attempts: see that it runs"
    ):
        answers(Endpoint(f"http://127.0.0.1:{port}/v1", "m"), prompts(3), tmp_path, clock=waits.clock)


def test_a_connection_that_cannot_be_trusted_is_not_tried_again(tmp_path: Path, waits: Any) -> None:
    with serving() as server, pytest.raises(InputError, match="no trusted connection can be made"):
        answers(Endpoint(server.url.replace("http:", "https:"), "m"), prompts(1), tmp_path, clock=waits.clock)
    assert waits.rests == []


# -- failures that stay -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Step(status=400, message="bad role"), "400 Bad Request: bad role: prompt 1 was refused"),
        (Step(status=401, message="no key"), "401 Unauthorized: no key: put a valid key into OPENAI_API_KEY"),
        (Step(status=402), "add credit to the account"),
        (Step(status=403), "ask for access to m"),
        (Step(status=404, message="no such model"), "404 Not Found: no such model: check the url"),
        (Step(status=422), "prompt 1 was refused"),
        (Step(status=429, code="insufficient_quota"), "add credit to the account"),
        (Step(status=307, headers={"Location": "https://elsewhere.example/v1"}), "give the url that it moved to"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Step) else "",
)
def test_what_stays_ends_the_call_at_the_first_request(step: Step, says: str, tmp_path: Path) -> None:
    with serving(script=[step] * 9) as server:
        with pytest.raises(InputError, match=says) as raised:
            answers(Endpoint(server.url, "m"), prompts(9), tmp_path)
        assert len(server.asked) == 1
    assert str(raised.value).endswith(f"(0 of 9 answers are kept in {tmp_path / 'answers.db'})")
    assert "\n" not in str(raised.value)


def test_a_failure_in_the_middle_lets_those_under_way_finish(tmp_path: Path) -> None:
    script = [Step(), Step(delay_s=0.3), Step(status=404)]
    with serving(echo, script=script) as server:
        endpoint = Endpoint(server.url, "m")
        with pytest.raises(InputError, match="2 of 9 answers are kept"):
            answers(endpoint, prompts(9), tmp_path, concurrency=2)
        assert answers(endpoint, prompts(9), tmp_path).reused == 2


def test_some_refused_prompts_can_be_allowed_and_are_named(tmp_path: Path) -> None:
    script = [Step(), Step(status=400, message="filtered"), Step(), Step(status=422, message="too long")]
    with serving(echo, script=script) as server:
        endpoint = Endpoint(server.url, "m")
        found = answers(endpoint, prompts(6), tmp_path, concurrency=1, refusals=2)
        assert [(refusal.prompt, refusal.number) for refusal in found.refused] == [(1, 1), (3, 1)]
        assert "400 Bad Request: filtered" in found.refused[0].why
        assert (found.asked, found.complete, found.stopped) == (4, False, "")
        assert answers(endpoint, prompts(6), tmp_path).complete, "a refusal is not remembered"


def test_a_key_is_sent_and_never_shown(tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(echo, key=key) as server:
        endpoint = Endpoint(server.url, "m", key_env="TEACHER_KEY")
        assert answers(endpoint, prompts(2), tmp_path / "one").complete
        assert {asked.key for asked in server.asked} == {key}
    with serving(echo, key="another") as server, pytest.raises(InputError) as raised:  # it echoes the key it was sent
        answers(Endpoint(server.url, "m", key_env="TEACHER_KEY"), prompts(2), tmp_path / "two")
    assert "Incorrect API key provided: [key]: put a valid key into TEACHER_KEY" in str(raised.value)
    shown = capfd.readouterr()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode("latin-1")
    for text in (str(raised.value), repr(raised.value), repr(endpoint), caplog.text, shown.out, shown.err, stored):
        assert key not in text


# -- money ------------------------------------------------------------------------------------------------------------


def test_an_estimate_is_free_and_what_the_call_then_holds(tmp_path: Path) -> None:
    with serving(echo) as server:
        endpoint = Endpoint(server.url, "m")
        before = estimate(endpoint, prompts(4), tmp_path, price=PRICE, passes=2, expected_tokens=10)
        assert (before.requests, before.tokens_out, len(server.asked)) == (8, 80, 0)
        found = answers(endpoint, prompts(4), tmp_path, price=PRICE, passes=2, expected_tokens=10)
        assert found.estimate == before
        after = estimate(endpoint, prompts(5), tmp_path, price=PRICE, passes=2, expected_tokens=10)
        assert (after.requests, after.cached, after.paid_usd) == (2, 8, found.spent_usd)


@pytest.mark.parametrize(("price", "says"), [(PRICE, "above the cap"), (None, "--price-in")])
def test_a_cap_that_cannot_hold_is_refused_before_anything_is_asked(
    price: Price | None, says: str, tmp_path: Path
) -> None:
    with serving(echo) as server:
        with pytest.raises(InputError, match=says):
            answers(Endpoint(server.url, "m"), prompts(4), tmp_path, price=price, cap_usd=Decimal("0.0001"))
        assert server.asked == []


def test_a_cap_ends_the_call_before_it_is_passed_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    """Answers are five times as long as expected; at most 50 tokens, $0.0005."""
    cap, parameters = Decimal("0.005"), Parameters(max_tokens=50)
    with serving("x" * 200, delay_s=0.005) as server:
        endpoint = Endpoint(server.url, "m")
        call: dict[str, Any] = {"parameters": parameters, "price": PRICE, "expected_tokens": 10}
        found = answers(endpoint, prompts(40), tmp_path, cap_usd=cap, **call)
        assert found.spent_usd is not None
        assert cap - Decimal("0.00051") < found.spent_usd <= cap
        assert found.asked == len(server.asked) == 9
        assert "9 of 40 answers are kept" in found.stopped
        assert not found.complete
        with pytest.raises(InputError, match="of it paid by earlier calls"):  # the same cap is not spent anew
            answers(endpoint, prompts(40), tmp_path, cap_usd=cap, **call)
        proposed = Decimal(found.stopped.partition("with a cap of $")[2].split()[0])
        assert answers(endpoint, prompts(40), tmp_path, cap_usd=proposed, **call).complete
        assert len(server.asked) == 40


def test_a_cap_holds_where_the_server_counts_more_than_was_expected(tmp_path: Path) -> None:
    """It says ten times the tokens that a request may have: the cap is passed by those under way and no more."""
    most = Decimal("0.000506")
    with serving(lambda asked: Canned("x", tokens_in=6, tokens_out=500), delay_s=0.005) as server:
        found = answers(
            Endpoint(server.url, "m"), prompts(40), tmp_path, parameters=Parameters(max_tokens=50), price=PRICE,
            expected_tokens=1, cap_usd=Decimal("0.01"), concurrency=3,
        )  # fmt: skip
    assert found.spent_usd is not None
    assert found.spent_usd - Decimal("0.01") <= 3 * 10 * most
    assert "cap" in found.stopped


# -- the user's side --------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_had_arrived_and_says_so(tmp_path: Path) -> None:
    # A shell starts what it puts into the background with SIGINT ignored, and the tests may be run so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop(step: Progress) -> None:
        if step.done == 5:
            signal.raise_signal(signal.SIGINT)

    with serving(echo, delay_s=0.01) as server:
        endpoint = Endpoint(server.url, "m")
        try:
            with pytest.raises(Interrupted, match=r"5 of 20 answers are kept in .*answers\.db; the same command"):
                answers(endpoint, prompts(20), tmp_path, concurrency=3, progress=stop)
        finally:
            signal.signal(signal.SIGINT, before)
        again = answers(endpoint, prompts(20), tmp_path)
    assert (again.reused, again.complete) == (5, True)


def test_what_goes_wrong_in_the_caller_s_own_code_is_raised_as_it_is(tmp_path: Path) -> None:
    def broken(step: Progress) -> None:
        raise ZeroDivisionError

    with serving(echo) as server, pytest.raises(ZeroDivisionError):
        answers(Endpoint(server.url, "m"), prompts(9), tmp_path, progress=broken)


def test_the_environment_s_proxy_is_for_other_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    asked = ("https://api.example/v1", "https://inside.example/v1", "http://localhost:8000/v1")
    assert [_proxy(Endpoint(url, "m")) for url in asked] == ["http://proxy.example:3128", None, None]


def test_importing_it_does_not_need_aiohttp() -> None:
    code = "import sys, pare.remote; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_aiohttp_one_line_says_how_to_add_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "pare.remote.client":
            raise ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingExtra, match=r"asking a remote model needs aiohttp.*pare-lm\[remote\]"):
        answers(Endpoint("http://127.0.0.1:9/v1", "m"), prompts(1), tmp_path)


@pytest.mark.parametrize("bad", [{"concurrency": 0}, {"passes": 0}, {"refusals": -1}, {"expected_tokens": 0}])
def test_senseless_numbers_are_refused(bad: dict[str, int], tmp_path: Path) -> None:
    arguments: dict[str, Any] = dict(bad)
    with pytest.raises(InputError, match=f"{next(iter(bad))} must be at least"):
        answers(Endpoint("http://127.0.0.1:9/v1", "m"), prompts(1), tmp_path, **arguments)


def test_inside_an_event_loop_it_says_how_to_call_it(tmp_path: Path) -> None:
    async def notebook() -> None:
        endpoint = Endpoint("http://127.0.0.1:9/v1", "m")
        with pytest.raises(InputError, match=r"asyncio\.to_thread"):
            answers(endpoint, prompts(1), tmp_path)
        assert (await asyncio.to_thread(answers, endpoint, [], tmp_path)).complete

    asyncio.run(notebook())
