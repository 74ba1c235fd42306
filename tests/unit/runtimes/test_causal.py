"""Prompts and answers become token ids in one form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.errors import InputError
from pare.runtimes.causal import Prompts
from pare.testing.tiny import plain_bpe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("decoder")
    plain_bpe(["one two three four", "where is my card"], 300).save(str(made / "tokenizer.json"))
    (made / "config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 1}))
    return made


def test_an_answer_follows_its_prompt_and_ends(folder: Path) -> None:
    prompts = Prompts(folder, 64)
    turn = prompts.turn("one two", " three")
    assert turn.ids[0] == 0
    assert turn.ids[-1] == 1
    assert prompts.text(turn.ids[1 : turn.start]) == "one two"
    assert prompts.text(turn.ids[turn.start : turn.stop]) == " three"
    assert turn.ids[: turn.start] == prompts.prompt("one two")


def test_no_prompt_is_the_beginning_alone(folder: Path) -> None:
    assert Prompts(folder, 64).prompt("") == [0]


@given(prompt=st.text(max_size=40), answer=st.text(max_size=40), most=st.integers(2, 24))
def test_a_turn_fits_and_keeps_room_for_its_answer(folder: Path, prompt: str, answer: str, most: int) -> None:
    turn = Prompts(folder, most).turn(prompt, answer)
    assert len(turn.ids) <= most
    assert 1 <= turn.start <= turn.stop <= len(turn.ids)
    assert not answer or turn.stop > turn.start
    assert len(turn.ids) - turn.stop in (0, 1)


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs its fast tokenizer"):
        Prompts(tmp_path, 64)
