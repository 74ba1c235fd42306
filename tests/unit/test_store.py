from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa

from pare.errors import InputError
from pare.store import Ledger, UserLedger, open_engine
from pare.types import Candidate, ProofPlan, Quantity, Score, Step, Trial
from pare.types import Measurement as Measured


def trial(name: str = "linear", rung: int = 1, **fields: object) -> Trial:
    candidate = Candidate(name, "", (Step("linear", {"c": 1.0}),), "arrays")
    return Trial(candidate, rung, 1.0, "done", scores={"accuracy": Score("accuracy", 0.9, 0.8, 0.95, 100)}, **fields)


def test_trials_come_back_as_they_were_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "study.db")
    figures = {"latency_p50_ms": Quantity(1.5, "ms", "measured", "clock")}
    told = trial(measurement=Measured("a", "arrays", "cpu", "process", "w", figures), drop=0.01, discordance=0.04)
    ledger.add_trial(told)
    assert Ledger(tmp_path / "study.db").trials() == [told]


def test_a_trial_told_again_replaces_itself_and_keeps_its_place(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "study.db")
    ledger.add_trial(trial("a"))
    ledger.add_trial(trial("b"))
    ledger.add_trial(trial("a", drop=0.5))
    assert [(t.candidate.name, t.drop) for t in ledger.trials()] == [("a", 0.5), ("b", None)]


def test_the_sealed_side_is_never_recorded(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "study.db")
    with pytest.raises(ValueError, match="sealed"):
        ledger.add_output("a", "test", b"")


def test_a_frozen_plan_cannot_be_replaced(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "study.db")
    plan = ProofPlan("r", ("a",), ("a",), "accuracy", 0.02, None, 0.05, "exact", 0)
    ledger.freeze("p", plan)
    ledger.freeze("p", ProofPlan("r", ("b",), ("b",), "accuracy", 0.5, None, 0.05, "exact", 0))
    assert ledger.proofs() == [("p", plan, None)]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    Ledger(path).close()
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE schema_version SET version = 99"))
    with pytest.raises(InputError, match="schema 99"):
        Ledger(path)


def test_what_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("no database, but long enough to be read as a header of one " * 5)
    with pytest.raises(InputError, match="cannot be opened as a ledger"):
        Ledger(tmp_path / "study.db")


def test_looks_are_counted_over_rows_not_runs(tmp_path: Path) -> None:
    user = UserLedger(tmp_path / "pare.db")
    assert user.look("first", ["a", "b"], "x") == 1
    assert user.look("elsewhere", ["z"], "x") == 1
    assert user.look("second", ["b", "c"], "y") == 2
    assert user.look("third", ["b"], "z") == 3
    assert user.looks(["b"]) == [("first", 1), ("second", 2), ("third", 3)]


def test_a_replayed_or_growing_plan_is_the_same_look(tmp_path: Path) -> None:
    user = UserLedger(tmp_path / "pare.db")
    assert user.look("first", ["a"], "x") == 1
    assert user.look("first", ["a"], "x") == 1
    assert user.look("first", ["a", "b"], "x") == 1
    assert user.look("second", ["b"], "y") == 2


def test_a_sealed_row_stays_sealed_and_others_may_join(tmp_path: Path) -> None:
    user = UserLedger(tmp_path / "pare.db")
    user.record({"a": "test", "b": "train"})
    user.record({"a": "train", "b": "test"})
    assert user.sides() == {"a": "test", "b": "test"}


def test_looks_and_sides_that_are_booked_at_once_are_all_counted(tmp_path: Path) -> None:
    together = Barrier(4)

    def book(plan: int) -> int:
        together.wait()
        ledger = UserLedger(tmp_path / "pare.db")  # the first open is part of the race
        ledger.record({"a": "test", "b": "train", f"row{plan}": "dev"})
        found = ledger.look(f"plan{plan}", ["a", "b"], "")
        ledger.close()
        return found

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(book, range(4))) == [1, 2, 3, 4]
    ledger = UserLedger(tmp_path / "pare.db")
    assert len(ledger.sides()) == 6
    ledger.close()


def test_a_ledger_can_be_read_where_it_cannot_be_written(tmp_path: Path) -> None:
    Ledger(tmp_path / "study.db").close()
    engine = open_engine(f"sqlite:///file:{tmp_path}/study.db?mode=ro&uri=true", sa.MetaData(), "")
    with engine.begin() as connection:
        assert connection.execute(sa.text("select version from schema_version")).scalar() == 1
    engine.dispose()
