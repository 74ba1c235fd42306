from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pare.errors import InputError
from pare.remote import Answer, Endpoint, Parameters, Prompt
from pare.remote.cache import Cache, file_of, key_of
from pare.remote.wire import body

ENDPOINT = Endpoint("https://host/v1", "m")


def key(prompt: Prompt | None = None, endpoint: Endpoint = ENDPOINT, number: int = 1, **parameters: Any) -> str:
    asked = body(endpoint, prompt or Prompt.of("hello"), Parameters(**parameters))
    return key_of(endpoint.place, asked, number)


def test_a_key_is_of_all_that_is_asked_and_nothing_else() -> None:
    other = [
        key(Prompt.of("hello ")),
        key(Prompt.of("hello", system="be brief")),
        key(endpoint=Endpoint("https://host/v2", "m")),
        key(endpoint=Endpoint("https://host/v1", "n")),
        key(number=2),
        key(temperature=1),
        key(temperature=None),
        key(max_tokens=1),
        key(response_format={"type": "json_object"}),
        key(more={"seed": 1}),
    ]
    assert len({key(), *other}) == 1 + len(other)
    assert key(temperature=0) == key()
    assert key(endpoint=Endpoint("https://host/v1/chat/completions?api-version=3", "m", key_env="OTHER")) == key()


def test_an_answer_is_kept_whole(tmp_path: Path) -> None:
    answer = Answer("réfund", "length", 3, None, "m-2026")
    with Cache(tmp_path) as cache:
        assert cache.get("k") is None
        cache.put("k", "host/v1", "m", 1, answer)
        cache.put("k", "host/v1", "m", 1, Answer("another", "stop"))
    with Cache(tmp_path / "answers.db") as cache:
        assert cache.get("k") == Answer("réfund", "length", 3, None, "m-2026", cached=True)


def test_a_path_is_a_folder_unless_it_ends_as_a_database(tmp_path: Path) -> None:
    assert file_of(tmp_path / "cache") == tmp_path / "cache" / "answers.db"
    assert file_of(tmp_path / "mine.db") == tmp_path / "mine.db"


def test_two_processes_may_share_it(tmp_path: Path) -> None:
    with Cache(tmp_path) as one, Cache(tmp_path) as other:
        one.put("k", "host", "m", 1, Answer("x", "stop"))
        assert other.get("k") is not None
        other.put("l", "host", "m", 1, Answer("y", "stop"))
        assert one.get("l") is not None


def test_what_is_no_cache_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database, and long enough to be looked at as one" * 20)
    with pytest.raises(InputError, match="cannot be used to keep answers"):
        Cache(text)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(InputError, match="database of something else"):
        Cache(other)
    newer = tmp_path / "newer.db"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(InputError, match="upgrade pare-lm"):
        Cache(newer)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used to keep answers"):
        Cache(tmp_path / "file" / "below")
