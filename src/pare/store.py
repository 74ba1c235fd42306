"""Ledgers: what a study has done, and what was ever read from a sealed split.

A run's ledger (``study.db``) holds the task, the builds, the trials and the proofs of one study. The user's ledger
(``pare.db`` in the user's data folder) holds which rows are sealed and which plans have read them: it outlives every
run, so that deleting a run does not forget a look. Both are SQLAlchemy Core: SQLite by default, PostgreSQL by URL.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import platformdirs
import sqlalchemy as sa

from pare.errors import InputError
from pare.types import ProofPlan, Side, Trial, Verdict

VERSION = 1
T = TypeVar("T")

_meta = sa.MetaData()
_schema = sa.Table("schema_version", _meta, sa.Column("version", sa.Integer, nullable=False))
_facts = sa.Table("facts", _meta, sa.Column("key", sa.String, primary_key=True), sa.Column("json", sa.Text))
_builds = sa.Table(
    "builds",
    _meta,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("artifact", sa.String, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)
_trials = sa.Table(
    "trials",
    _meta,
    sa.Column("candidate", sa.String, primary_key=True),
    sa.Column("rung", sa.Integer, primary_key=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
)
_outputs = sa.Table(
    "outputs",
    _meta,
    sa.Column("artifact", sa.String, primary_key=True),
    sa.Column("side", sa.String, primary_key=True),
    sa.Column("logits", sa.LargeBinary, nullable=False),
)
_events = sa.Table(
    "events",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
_proofs = sa.Table(
    "proofs",
    _meta,
    sa.Column("plan", sa.String, primary_key=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column("state", sa.Text),
    sa.Column("verdict", sa.Text),
)

_user_meta = sa.MetaData()
sa.Table("schema_version", _user_meta, sa.Column("version", sa.Integer, nullable=False))
_members = sa.Table(
    "members",
    _user_meta,
    sa.Column("row", sa.String, primary_key=True),
    sa.Column("side", sa.String, nullable=False),
)
_looks = sa.Table(
    "looks",
    _user_meta,
    sa.Column("plan", sa.String, primary_key=True),
    sa.Column("row", sa.String, primary_key=True, index=True),
)
_plans = sa.Table(
    "plans",
    _user_meta,
    sa.Column("plan", sa.String, primary_key=True),
    sa.Column("look", sa.Integer, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("name", sa.String, nullable=False),
)

# One function for each version after the first, applied in order to a ledger of an older one.
MIGRATIONS: dict[int, Any] = {}


def open_engine(url: str, tables: sa.MetaData, lost: str) -> sa.Engine:
    """Opens a ledger, making its tables or bringing them forward to this version.

    SQLite takes its write lock when a ``_writing`` transaction begins and other databases are serializable, so that what
    is read before a write still holds when it is written. ``lost`` is what a user gives up who moves the ledger away.
    Raises InputError where the ledger is newer than this pare, is busy, or is no database.
    """
    sqlite = url.startswith("sqlite")
    options: dict[str, Any] = {"connect_args": {"timeout": 60}} if sqlite else {"isolation_level": "SERIALIZABLE"}
    engine = sa.create_engine(url, **options)
    if sqlite:
        sa.event.listen(engine, "connect", _without_driver_transactions)
        sa.event.listen(engine, "begin", _begin)
    try:
        if _version(engine) == VERSION:  # a ledger that is up to date may be read where it cannot be written
            return engine
        with _writing(engine) as connection:
            tables.create_all(connection)
            version = connection.execute(sa.select(_schema.c.version)).scalar()
            if version is None:
                connection.execute(_schema.insert().values(version=VERSION))
                return engine
            if version > VERSION:
                raise InputError(f"{url} has schema {version}, this pare knows up to {VERSION}: upgrade pare-lm")
            for step in range(version + 1, VERSION + 1):
                MIGRATIONS[step](connection)
                connection.execute(_schema.update().values(version=step))
    except sa.exc.OperationalError as error:
        raise InputError(f"{url} cannot be used now: {error.orig}; try again when no other pare is writing") from None
    except sa.exc.DatabaseError as error:
        raise InputError(
            f"{url} cannot be opened as a ledger: {error.orig}; restore it from a backup: to move it away {lost}"
        ) from None
    return engine


def _url(where: Path | str) -> str:
    return f"sqlite:///{where}" if isinstance(where, Path) else where


def _version(engine: sa.Engine) -> int | None:
    """The schema's version, or None where there are no tables yet."""
    with engine.begin() as connection:
        if not sa.inspect(connection).has_table(_schema.name):
            return None
        return connection.execute(sa.select(_schema.c.version)).scalar()


def _writing(engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
    """A transaction that will write what depends on what it reads."""
    return engine.execution_options(writing=True).begin()


def _without_driver_transactions(connection: Any, record: object) -> None:
    """The sqlite3 module begins transactions at the first write only, which is too late; ``_begin`` does it."""
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _encode(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


class Ledger:
    """The ledger of one run."""

    def __init__(self, where: Path | str) -> None:
        self.engine = open_engine(_url(where), _meta, "is to start the study anew")

    def close(self) -> None:
        self.engine.dispose()

    def fact(self, key: str, type: type[T]) -> T | None:
        """A recorded fact of the study (its task, its data hash, its base), or None."""
        with self.engine.begin() as connection:
            found = connection.execute(sa.select(_facts.c.json).where(_facts.c.key == key)).scalar()
        return None if found is None else msgspec.json.decode(found, type=type)

    def set_fact(self, key: str, value: Any) -> None:
        with _writing(self.engine) as connection:
            connection.execute(_facts.delete().where(_facts.c.key == key))
            connection.execute(_facts.insert().values(key=key, json=_encode(value)))

    def build(self, key: str) -> tuple[str, float] | None:
        """The artifact that a recipe prefix was built into and the seconds it took, or None."""
        with self.engine.begin() as connection:
            row = connection.execute(
                sa.select(_builds.c.artifact, _builds.c.seconds).where(_builds.c.key == key)
            ).first()
        return None if row is None else (row.artifact, row.seconds)

    def add_build(self, key: str, artifact: str, seconds: float) -> None:
        with _writing(self.engine) as connection:
            connection.execute(_builds.delete().where(_builds.c.key == key))
            connection.execute(_builds.insert().values(key=key, artifact=artifact, seconds=seconds))

    def trials(self) -> list[Trial]:
        """All finished trials, oldest first."""
        with self.engine.begin() as connection:
            rows = connection.execute(sa.select(_trials.c.json).order_by(_trials.c.created)).scalars().all()
        return [msgspec.json.decode(row, type=Trial) for row in rows]

    def add_trial(self, trial: Trial) -> None:
        """Records a finished trial. The same candidate at the same rung is recorded once and keeps its place."""
        key = sa.and_(_trials.c.candidate == trial.candidate.name, _trials.c.rung == trial.rung)
        with _writing(self.engine) as connection:
            known = connection.execute(sa.select(_trials.c.created).where(key)).scalar()
            connection.execute(_trials.delete().where(key))
            connection.execute(
                _trials.insert().values(
                    candidate=trial.candidate.name,
                    rung=trial.rung,
                    created=time.time() if known is None else known,
                    json=_encode(trial),
                )
            )

    def remove_trial(self, candidate: str, rung: int) -> None:
        """Forgets a trial, so that it is asked for again."""
        with _writing(self.engine) as connection:
            connection.execute(_trials.delete().where(_trials.c.candidate == candidate, _trials.c.rung == rung))

    def output(self, artifact: str, side: Side) -> bytes | None:
        """The recorded logits of an artifact on a side (float32, row-major), or None."""
        where = sa.and_(_outputs.c.artifact == artifact, _outputs.c.side == side)
        with self.engine.begin() as connection:
            return connection.execute(sa.select(_outputs.c.logits).where(where)).scalar()

    def add_output(self, artifact: str, side: Side, logits: bytes) -> None:
        """Records the logits of an artifact on a side. The sealed side is never recorded."""
        if side == "test":
            raise ValueError("side must not be test: no per-sample result of the sealed split is kept")
        with _writing(self.engine) as connection:
            connection.execute(
                _outputs.delete().where(sa.and_(_outputs.c.artifact == artifact, _outputs.c.side == side))
            )
            connection.execute(_outputs.insert().values(artifact=artifact, side=side, logits=logits))

    def add_event(self, kind: str, text: str) -> None:
        """Notes something the reader of the report must know, e.g. a truncation."""
        with _writing(self.engine) as connection:
            connection.execute(_events.insert().values(created=time.time(), kind=kind, text=text))

    def events(self) -> list[tuple[str, str]]:
        with self.engine.begin() as connection:
            rows = connection.execute(sa.select(_events.c.kind, _events.c.text).order_by(_events.c.id)).all()
        return [(row.kind, row.text) for row in rows]

    def freeze(self, plan_id: str, plan: ProofPlan) -> None:
        """Stores a frozen plan; a plan that is stored already stays as it is."""
        with _writing(self.engine) as connection:
            if connection.execute(sa.select(_proofs.c.plan).where(_proofs.c.plan == plan_id)).first() is None:
                connection.execute(_proofs.insert().values(plan=plan_id, created=time.time(), json=_encode(plan)))

    def proofs(self) -> list[tuple[str, ProofPlan, Verdict | None]]:
        """The frozen plans, oldest first, each with its verdict once there is one."""
        with self.engine.begin() as connection:
            rows = connection.execute(
                sa.select(_proofs.c.plan, _proofs.c.json, _proofs.c.verdict).order_by(_proofs.c.created)
            ).all()
        return [
            (
                row.plan,
                msgspec.json.decode(row.json, type=ProofPlan),
                None if row.verdict is None else msgspec.json.decode(row.verdict, type=Verdict),
            )
            for row in rows
        ]

    def state(self, plan_id: str) -> str | None:
        """The test state of a growing plan, as JSON text."""
        with self.engine.begin() as connection:
            return connection.execute(sa.select(_proofs.c.state).where(_proofs.c.plan == plan_id)).scalar()

    def set_verdict(self, plan_id: str, verdict: Verdict, state: str | None = None) -> None:
        with _writing(self.engine) as connection:
            connection.execute(
                _proofs.update().where(_proofs.c.plan == plan_id).values(verdict=_encode(verdict), state=state)
            )


class UserLedger:
    """What this user has sealed, and has read of it, over all runs."""

    def __init__(self, where: Path | str | None = None) -> None:
        where = user_folder() / "pare.db" if where is None else where
        if isinstance(where, Path):
            where.parent.mkdir(parents=True, exist_ok=True)
        self.engine = open_engine(_url(where), _user_meta, "forgets what is sealed and was read")

    def close(self) -> None:
        self.engine.dispose()

    def sides(self) -> dict[str, Side]:
        """The recorded side of every row that was ever split."""
        with self.engine.begin() as connection:
            return {row.row: row.side for row in connection.execute(sa.select(_members.c.row, _members.c.side))}

    def record(self, sides: Mapping[str, Side]) -> None:
        """Records the sides of rows. A row recorded as sealed stays sealed."""
        with _writing(self.engine) as connection:
            known = dict(connection.execute(sa.select(_members.c.row, _members.c.side)).tuples().all())
            changed = {row: side for row, side in sides.items() if known.get(row) != side and known.get(row) != "test"}
            for chunk in _chunks([row for row in changed if row in known]):
                connection.execute(_members.delete().where(_members.c.row.in_(chunk)))
            if changed:
                connection.execute(_members.insert(), [{"row": r, "side": s} for r, s in changed.items()])

    def look(self, plan_id: str, rows: Sequence[str], name: str) -> int:
        """Books a read of sealed rows before it happens, and returns which look at any of them it is, from 1.

        The same plan again (a replay after a kill, or a growing plan with more rows) keeps its number.
        """
        with _writing(self.engine) as connection:
            booked = connection.execute(sa.select(_plans.c.look).where(_plans.c.plan == plan_id)).scalar()
            earlier: set[str] = set()
            mine: set[str] = set()
            for chunk in _chunks(list(rows)):
                query = sa.select(_looks.c.plan, _looks.c.row).where(_looks.c.row.in_(chunk))
                for row in connection.execute(query):
                    if row.plan == plan_id:
                        mine.add(row.row)
                    else:
                        earlier.add(row.plan)
            look = int(booked) if booked is not None else len(earlier) + 1
            if booked is None:
                connection.execute(_plans.insert().values(plan=plan_id, look=look, created=time.time(), name=name))
            fresh = [{"plan": plan_id, "row": row} for row in dict.fromkeys(rows) if row not in mine]
            if fresh:
                connection.execute(_looks.insert(), fresh)
        return look

    def looks(self, rows: Iterable[str]) -> list[tuple[str, int]]:
        """The plans that have read any of these rows: (plan id, look), oldest first."""
        plans: set[str] = set()
        with self.engine.begin() as connection:
            for chunk in _chunks(list(rows)):
                plans.update(connection.execute(sa.select(_looks.c.plan).where(_looks.c.row.in_(chunk))).scalars())
            query = sa.select(_plans.c.plan, _plans.c.look).where(_plans.c.plan.in_(plans)).order_by(_plans.c.created)
            return [(row.plan, row.look) for row in connection.execute(query)]


def user_folder() -> Path:
    """The user's data folder: ``PARE_HOME``, or the system's place for application data."""
    return Path(os.environ.get("PARE_HOME") or platformdirs.user_data_dir("pare", appauthor=False))


def _chunks(rows: list[str], size: int = 500) -> Iterable[list[str]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
