"""Answers by what was asked, in one SQLite file. Each is committed when it arrives, so a kill loses those under way only."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from pare.errors import InputError
from pare.remote.types import Answer

VERSION = 1
FILE = "answers.db"
SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3"})

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, place TEXT NOT NULL, model TEXT NOT NULL, number INTEGER NOT NULL, created REAL NOT NULL,
    text TEXT NOT NULL, finish TEXT NOT NULL, tokens_in INTEGER, tokens_out INTEGER, answered_by TEXT NOT NULL
) WITHOUT ROWID
"""


def key_of(place: str, body: Mapping[str, Any], number: int) -> str:
    """sha256 of the host and path, the request (model, messages, parameters) and the pass, from 1."""
    asked = json.dumps([VERSION, place, body, number], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(asked.encode("ascii")).hexdigest()


def file_of(path: Path) -> Path:
    """The file of a cache: the path itself where it ends as a database does, else a file in that folder."""
    return path if path.suffix in SUFFIXES and not path.is_dir() else path / FILE


class Cache:
    """A file of answers, open. A path that ends in .db or .sqlite is the file, another one a folder that holds it.

    Raises InputError where it is no cache, of a newer pare, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = file_of(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._problem(error) from None
        try:
            self._prepare()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._problem(error) from None
            raise

    def __enter__(self) -> Cache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, key: str) -> Answer | None:
        """The answer that is kept under a key, or None."""
        try:
            row = self._connection.execute(
                "SELECT text, finish, tokens_in, tokens_out, answered_by FROM answers WHERE key = ?", (key,)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._problem(error) from None
        if row is None:
            return None
        text, finish, tokens_in, tokens_out, model = row
        return Answer(text, finish, tokens_in, tokens_out, model, cached=True)

    def put(self, key: str, place: str, model: str, number: int, answer: Answer) -> None:
        """Keeps an answer for good; when this returns, it outlives a kill. The first one under a key stays."""
        row = (key, place, model, number, time.time(), answer.text, answer.finish)
        counts = (answer.tokens_in, answer.tokens_out, answer.model)
        try:
            self._connection.execute("INSERT OR IGNORE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?)", (*row, *counts))
        except sqlite3.Error as error:
            raise self._problem(error) from None

    def _prepare(self) -> None:
        self._connection.execute("BEGIN")  # so that both are read as of one moment, even while another process makes it
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        self._connection.execute("COMMIT")
        if version > VERSION:
            raise InputError(f"{self.path} has schema {version}, this pare knows up to {VERSION}: upgrade pare-lm")
        if version == 0 and tables:
            raise InputError(f"{self.path} is a database of something else: name another file for the answers")
        # With a write-ahead log a commit does not wait for the disk, and still outlives the death of this process.
        # Where another process is making the file, or the disk has no such logs, the file's own mode does as well.
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLE}; PRAGMA user_version = {VERSION}; COMMIT")

    def _problem(self, error: Exception) -> InputError:
        return InputError(f"{self.path} cannot be used to keep answers ({error}): name another file, or free the disk")
