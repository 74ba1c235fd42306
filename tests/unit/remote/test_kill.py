"""A child process is killed in the middle of a call, and the call goes on without asking anything twice."""

from __future__ import annotations

from pathlib import Path

from pare.remote import Endpoint, Prompt, answers
from pare.testing.server import Step, kill_at, serving

ROWS, ANSWERED, AT_ONCE = 30, 16, 3
CHILD = f"""
import sys
from pathlib import Path
from pare.remote import Endpoint, Prompt, answers
prompts = [Prompt.of(f"row {{i}}") for i in range({ROWS})]
answers(Endpoint(sys.argv[1], "m"), prompts, Path(sys.argv[2]), concurrency={AT_ONCE})
"""


def test_a_killed_call_goes_on_without_asking_again_what_was_answered(tmp_path: Path) -> None:
    script = [Step()] * ANSWERED + [Step(delay_s=300)] * AT_ONCE
    with serving(lambda asked: f"answer to {asked.text}", script=script) as server:
        kill_at(server, CHILD, [server.url, str(tmp_path)], ANSWERED + AT_ONCE)
        under_way = {asked.text for asked in server.asked[ANSWERED:]}
        assert len(under_way) == AT_ONCE

        found = answers(Endpoint(server.url, "m"), [Prompt.of(f"row {i}") for i in range(ROWS)], tmp_path)
        assert (found.reused, found.asked, found.complete) == (ANSWERED, ROWS - ANSWERED, True)
        assert {f"row {i}" for i in range(ROWS) if server.count(f"row {i}") > 1} == under_way
        assert len(server.asked) == ROWS + AT_ONCE
    assert [answer and answer.text for answer in found.passes[0]] == [f"answer to row {i}" for i in range(ROWS)]
