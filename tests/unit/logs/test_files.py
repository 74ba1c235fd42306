import gzip
import json
import tracemalloc
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.errors import InputError
from pare.logs import files, read_log

Record = dict[str, Any]


def row(text: str = "hi") -> Record:
    return {"request": {"messages": [{"role": "user", "content": text}]}, "response": "hello"}


def resource(*texts: str) -> Record:
    told = [{"gen_ai.prompt": text, "gen_ai.completion": "hello", "gen_ai.operation.name": "chat"} for text in texts]
    return {"scopeSpans": [{"spans": [{"start_time": "2025-10-09T10:00:00Z", "attributes": one} for one in told]}]}


def texts(path: Path) -> list[str]:
    return [one.messages[0].text for one in read_log(path)]


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in rows)


# -- what a file holds ------------------------------------------------------------------------------------------------

A, B = row("a"), row("b")


@pytest.mark.parametrize(
    "held",
    [
        lines(A, B),
        b"\xef\xbb\xbf" + lines(A, B).replace(b"\n", b"\r\n\r\n"),
        lines(A, B).rstrip(),
        json.dumps([A, B]).encode(),
        json.dumps([A, B], indent=2).encode(),
        b"[\n" + lines(A).rstrip() + b",\n" + lines(B) + b"]",
        json.dumps(A, indent=2).encode() + b"\n" + json.dumps(B, indent=2).encode(),
        lines({"resourceSpans": [resource("a")]}, {"resourceSpans": [resource("b")]}),
        json.dumps({"resourceSpans": [resource("a"), resource("b")], "more": {"x": []}}).encode(),
        json.dumps({"resourceSpans": [resource("a", "b")]}, indent=1).encode(),
    ],
)
@pytest.mark.parametrize("name", ["log.json", "log.jsonl", "log.ndjson", "requests.log"])
def test_a_file_is_told_by_what_it_holds(held: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(held)
    assert texts(tmp_path / name) == ["a", "b"]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.text(), st.recursive(st.text(), st.lists, max_leaves=4))),
    indent=st.none() | st.integers(0, 2),
    wrapper=st.sampled_from(["", "data", "resourceSpans"]),
    chunk=st.integers(1, 400),
)
def test_a_document_is_split_into_its_elements(
    rows: list[Record], indent: int | None, wrapper: str, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "log.json"
    path.write_text(json.dumps({wrapper: rows, "meta": {"data": [{}]}} if wrapper else rows, indent=indent))
    with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
        patch.setattr(files, "_CHUNK_BYTES", chunk)
        found = list(files._values(file, (OSError,)))
    assert [json.loads(raw) for _, raw in found] == rows
    assert [number for number, _ in found] == list(range(1, len(rows) + 1))


@settings(max_examples=200, deadline=None)
@given(held=st.binary(max_size=60) | st.text('[]{}",:1 \n\\', max_size=60).map(str.encode))
def test_no_bytes_raise_but_what_is_no_log_is_refused(held: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log.json"
    path.write_bytes(held)
    with suppress(InputError):
        list(read_log(path))


def test_a_folder_is_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "2025" / "10").mkdir(parents=True)
    (tmp_path / "2025" / "10" / "b.json").write_bytes(lines(B))
    (tmp_path / "2025" / "a.jsonl.gz").write_bytes(gzip.compress(lines(A)) + gzip.compress(lines(A)))
    (tmp_path / "README.md").write_text("no log")
    (tmp_path / ".hidden.jsonl").write_text("no log")
    log = read_log(tmp_path)
    assert [one.messages[0].text for one in log] == ["b", "a", "a"]
    assert log.size_bytes == sum(file.stat().st_size for file in log.files)


def test_zst(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd")
    if find_spec("zstandard") is None:
        with pytest.raises(InputError, match="needs zstandard, which is not installed: pip install zstandard"):
            read_log(path)
        return
    zstandard = pytest.importorskip("zstandard")
    one = zstandard.ZstdCompressor()
    path.write_bytes(one.compress(lines(A)) + one.compress(lines(B)))
    assert texts(path) == ["a", "b"]


# -- passes and what they leave out -----------------------------------------------------------------------------------


def test_a_log_is_read_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(lines(A, B) + b"oops\n")
    log = read_log(path)
    assert (log.format, log.size_bytes, log.read, log.skipped) == ("openai", path.stat().st_size, 0, 0)
    assert list(log) == list(log)
    assert (log.read, log.skipped) == (2, 1)


def test_bad_records_are_counted_and_the_first_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    bad = b'\n{"half": \n[1]\n"text"\n{"a": 1}\n\xff\xfe\n' + b"[" * 100_000 + b"\n"
    path.write_bytes(lines(*[A] * 9) + bad + b"no\n" * 2 + lines(B))
    log = read_log(path)
    assert [one.line for one in log] == [*range(1, 10), 19]
    named = {
        why: (one.count, [at.removeprefix(f"{path}, ") for at in one.examples]) for why, one in log.reasons.items()
    }
    assert named == {
        "not JSON": (5, ["line 11", "line 15", "line 16"]),
        "not a JSON object": (2, ["line 12", "line 13"]),
        "of another format": (1, ["line 14"]),
    }


def test_a_bad_element_of_an_array_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(f'[{json.dumps(A)}, {{"a": nope}}, 7, {json.dumps(B)}]')
    log = read_log(path)
    assert [one.line for one in log] == [1, 4]
    assert {why: one.examples for why, one in log.reasons.items()} == {
        "not JSON": [f"{path}, record 2"],
        "not a JSON object": [f"{path}, record 3"],
    }


@pytest.mark.parametrize("is_array", [True, False])
def test_a_record_that_never_ends_is_counted(is_array: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_BYTES", 2000)
    monkeypatch.setattr(files, "_CHUNK_BYTES", 500)
    path = tmp_path / "log.json"
    endless = b'{"open": "' + b"x" * 5000
    head = b"[" + lines(A).replace(b"\n", b",\n") * 3 if is_array else lines(A) * 3
    path.write_bytes(head + endless + b"\n" + lines(B))
    log = read_log(path)
    read = [one.messages[0].text for one in log]
    assert read == (["a"] * 3 if is_array else ["a"] * 3 + ["b"])
    assert log.reasons["longer than 64 MiB"].count == 1


@pytest.mark.parametrize("is_array", [True, False])
def test_a_broken_pack_gives_what_came_before(is_array: bool, tmp_path: Path) -> None:
    rows = [row(str(number)) for number in range(20_000)]
    packed = gzip.compress(json.dumps(rows).encode() if is_array else lines(*rows))
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "b.jsonl").write_bytes(lines(B))
    log = read_log(tmp_path)
    read = [one.messages[0].text for one in log]
    assert read[:-1] == [str(number) for number in range(len(read) - 1)]
    assert (len(read) > 5000, read[-1]) == (True, "b")
    assert [why for why in log.reasons if why.startswith("the file cannot be read on (Compressed file ended")]


@pytest.mark.parametrize(("opened", "between", "closed"), [("", "\n", ""), ("[", ",", "]"), ('{"data": [', ",", "]}")])
def test_memory_does_not_grow_with_the_log(
    opened: str, between: str, closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_CHUNK_BYTES", 2**14)
    path = tmp_path / "log.json"
    path.write_text(opened + between.join([json.dumps(row("x" * 500))] * 10_000) + closed)
    log = read_log(path)
    tracemalloc.start()
    assert sum(1 for _ in log) == 10_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < log.size_bytes / 10


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"hello\nyou\n", "2 of its first 2 records are not: .*log.jsonl, line 1 is not JSON"),
        (lines(A, {"id": 1, "text": "x"}, {}), "2 of its first 3 .*line 2 is an object with the keys id, text;"),
        (lines({"custom_id": "1", "response": {"body": {}}}), "keys custom_id, response; known formats: anthropic,"),
        (lines(*[{"a": 1}] * 200), "100 of its first 100 records"),
    ],
)
def test_what_is_no_log_is_refused(held: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(held)
    with pytest.raises(InputError, match=why):
        read_log(path)


def test_half_of_the_first_records_may_be_bad(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(lines(A, {"a": 1}) + b"no\n" + lines(B))
    assert texts(path) == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("lags.csv", "does not exist; did you mean logs.csv"),
        ("none/log.jsonl", "nor does the folder"),
        ("logs.csv", "is no log of requests; give JSON lines"),
        ("bad.jsonl.gz", r"the file cannot be read on \(Not a gzipped file"),
        ("empty", "holds no log; logs end in .jsonl"),
    ],
)
def test_a_place_without_a_log_is_refused(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "logs.csv").write_text("a,b")
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=why):
        read_log(tmp_path / name)


def test_the_format_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(lines(A))
    assert read_log(path, "openai").format == "openai"
    with pytest.raises(InputError, match="no log format is called 'opnai': did you mean openai"):
        read_log(path, "opnai")
    with pytest.raises(InputError, match="must be a log of the format otel, but 1 of its first 1 records"):
        read_log(path, "otel")
