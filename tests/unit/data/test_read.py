import csv
import gzip
import io
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.data import read as reader
from pare.data.read import Columns, Row, rows
from pare.errors import InputError, MissingExtra

COLUMNS = Columns("text", "label")


def read(path: Path, columns: Columns = COLUMNS) -> list[Row]:
    return list(rows(str(path), columns))


def cells(path: Path, columns: Columns = COLUMNS) -> list[tuple[int, str, str]]:
    return [(row.line, row.text, row.label) for row in read(path, columns)]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fails(path: Path, message: str, columns: Columns = COLUMNS) -> None:
    with pytest.raises(InputError) as caught:
        read(path, columns)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "text,label\na,x\nb,y\n",
        "\ufefftext,label\r\na,x\r\nb,y",
        " text ,label\ra,x\rb,y\r",
        "label;text\nx;a\ny;b\n",
        "text\tlabel\na\tx\nb\ty\n",
        'text,label\n"a",x \nb," y"\n',
    ],
)
def test_csv_dialects(tmp_path: Path, content: str) -> None:
    assert cells(write(tmp_path / "a.csv", content)) == [(2, "a", "x"), (3, "b", "y")]


def test_csv_lines_with_quoted_newlines_and_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ntext,label\n"a\nb",x\n\n"c ""d"", e",y\n')
    assert cells(path) == [(3, "a\nb", "x"), (6, 'c "d", e', "y")]


def test_csv_with_quotes_that_are_not_doubled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'label,text\n"x","say "go" now, or"\n"y","is ""it"" "so"?"\nz,ok\n')
    assert cells(path) == [(2, 'say "go" now, or', "x"), (3, 'is "it" "so"?', "y"), (4, "ok", "z")]
    fails(write(tmp_path / "b.csv", 'label,text\n"x","say "go", now"\n'), "line 2 does not parse")


def test_a_quote_that_closes_is_told_from_a_doubled_one(tmp_path: Path) -> None:
    lines = ['"he said "yes"",a', '"it ""is"" "so"",b', '"""x"" and "y", z",c', '"so "it" is","d"']
    found = []
    for line in lines:
        try:
            found.append(cells(write(tmp_path / "a.csv", f"text,label\n{line}\n"))[0][1:])
        except InputError:
            found.append(("", ""))
    assert found == [('he said "yes"', "a"), ('it "is" "so"', "b"), ("", ""), ('so "it" is', "d")]


@pytest.mark.parametrize(
    "body",
    [
        '"unclosed text,b\n"he said ""yes0"" and left",a\n',
        '"unclosed text,b\n"he said "yes" and left",a\n',
        '"two\nlines with a "quote" in them",a\n',
        '"unclosed, b\n' + "plain, b\n" * 5,
        '"a "b","c',
    ],
)
def test_rows_are_never_merged_by_a_repair(tmp_path: Path, body: str) -> None:
    path = write(tmp_path / "a.csv", "text,label\nfirst,x\n" + body)
    fails(path, f"{path}, line 3 does not parse: ")
    fails(path, "; close each quoted cell and double the quotes in it")


def test_an_unclosed_cell_says_how_far_it_was_read(tmp_path: Path) -> None:
    fails(write(tmp_path / "a.csv", 'text,label\n"a,x\nb,y\nc,z\n'), "line 2 does not parse: unexpected end of data")
    fails(tmp_path / "a.csv", "(read up to line 4)")


WORDS = ["card", "fee", 'the ""app""', '"yes"', "a, b", "c\nd", '"', ",", "\r\n", "€", ";", " "]
MESSY = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join) | st.text(max_size=20)
MESSY_LABEL = MESSY.map(lambda text: f"l{text}r")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(MESSY, MESSY_LABEL), min_size=1, max_size=8), st.sampled_from(",;\t|"), st.booleans())
def test_csv_gives_texts_back(tmp_path: Path, pairs: list[tuple[str, str]], delimiter: str, quoted: bool) -> None:
    whole = io.StringIO(newline="")
    writer = csv.writer(whole, delimiter=delimiter, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    writer.writerow(("text", "label"))
    lines = []
    for pair in pairs:
        lines.append(1 + len(io.StringIO(whole.getvalue(), newline="").readlines()))
        writer.writerow(pair)
    path = write(tmp_path / "a.csv", whole.getvalue())
    assert cells(path) == [(line, *pair) for line, pair in zip(lines, pairs, strict=True)]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS[:4]), min_size=1, max_size=5), min_size=2, max_size=5), st.data())
def test_one_quote_that_is_missing_never_loses_a_label(
    tmp_path: Path, texts: list[list[str]], data: st.DataObject
) -> None:
    whole = io.StringIO(newline="")
    csv.writer(whole, quoting=csv.QUOTE_ALL).writerows((" ".join(text), f"l{n}") for n, text in enumerate(texts))
    body = whole.getvalue()
    gone = data.draw(st.sampled_from([n for n, character in enumerate(body) if character == '"']))
    path = write(tmp_path / "a.csv", "text,label\n" + body[:gone] + body[gone + 1 :])
    try:
        found = cells(path)
    except InputError:
        return
    assert [label.strip('"') for _, _, label in found] == [f"l{n}" for n in range(len(texts))]


def steps(path: Path) -> int:
    """How many lines of the reader's code run until a file is read, or refused."""
    count = 0

    def trace(frame: types.FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != reader.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read(path)
    except InputError:
        pass
    finally:
        sys.settrace(before)
    return count


STEPS_A_CHARACTER = 40


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from(['"', '""', '"""', '",', ',"', "a", " ", "\n", ",", "[", "'"]), max_size=10),
    st.sampled_from(['""yes"" ', '"', '""', '",', "' ", 'a"b', '"a""\n', ',"']),
    st.integers(0, 60),
)
def test_reading_is_linear(tmp_path: Path, head: list[str], again: str, times: int) -> None:
    body = "".join(head) + again * times
    for suffix in ("", '"', ',"x"', '"\nb,y\n'):
        path = write(tmp_path / "a.csv", "text,label\n" + body + suffix)
        assert steps(path) <= STEPS_A_CHARACTER * (len(body) + 20)


@pytest.mark.parametrize(
    "body",
    [
        '"unclosed "x' + ' and ""yes""' * 20_000,
        '"' + '"a" ' * 20_000 + "b",
        '"x "y' + '""' * 100_000 + " z",
        "t,\"['a'" + " " * 200_000 + 'x"',
        't,"[' + "' " * 100_000 + 'x"',
    ],
    ids=["unclosed", "undoubled", "quotes", "spaces in a label", "quotes in a label"],
)
def test_hostile_cells_are_read_in_one_pass(tmp_path: Path, body: str) -> None:
    """Backtracking would not end here: what is counted is the reader's own code, and its patterns are none."""
    assert steps(write(tmp_path / "a.csv", f"text,label\n{body}\n")) <= STEPS_A_CHARACTER * len(body)


def test_huge_cells(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "a.csv", "text,label\n" + "a" * 3_000_000 + ",x\n"))[0].text) == 3_000_000


def test_empty_cells_are_rows(tmp_path: Path) -> None:
    assert cells(write(tmp_path / "a.csv", "text,label\n,x\na,\n,\n")) == [(2, "", "x"), (3, "a", ""), (4, "", "")]


def test_jsonl(tmp_path: Path) -> None:
    lines = ['{"text": "a", "label": 1, "u": 3}', "", '{"text": null, "label": true}', '{"label": "x", "u": null}']
    path = write(tmp_path / "a.jsonl", "\ufeff" + "\r\n".join(lines))
    assert cells(path) == [(1, "a", "1"), (3, "", "true"), (4, "", "x")]
    assert [row.unit for row in read(path, Columns("text", "label", unit="u"))] == ["3", "", ""]


def test_gzip(tmp_path: Path) -> None:
    assert cells(write(tmp_path / "a.csv.gz", gzip.compress(b"text,label\na,x\n"))) == [(2, "a", "x")]
    fails(write(tmp_path / "b.csv.gz", gzip.compress(b"text,label\na,x\n" * 99)[:40]), "cannot be unpacked")
    fails(write(tmp_path / "c.csv.gz", b"text,label"), "cannot be unpacked")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "\n \n", "is empty"),
        ("a.csv", "txt,label\na,x\n", "has no column text; did you mean txt?"),
        ("a.csv", "text,label,text\na,x,b\n", "has 2 columns named text; rename all but one"),
        ("a.csv", "text,label\na,x\nb\n", "line 3 must have 2 cells like the header but got 1"),
        ("a.csv", "text,label\na, b,x\n", "line 2 must have 2 cells like the header but got 3"),
        ("a.csv", 'text,label\na,x\n"b,y\nc,z\n', "line 3 does not parse"),
        ("a.csv", b"text,label\na,x\nb\xe9,y\n", "line 3 is not UTF-8; save the file as UTF-8"),
        ("a.csv", "text,label\na,x\n".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("a.csv", 'text,label\na,"[""x"", ""y""]"\n', "line 2: label must hold one label"),
        ("a.csv", "text,label\na,\"['x', 'y']\"\n", "line 2: label must hold one label"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", "[1, 2]\n", "line 1 must be an object"),
        ("a.jsonl", "[\n1\n]\n", "is one JSON list"),
        ("a.jsonl", "[" * 100_000, "a.jsonl"),
        ("a.jsonl", '{"txt": "a", "label": "x"}\n', "has no column text; did you mean txt?"),
        ("a.jsonl", '{"text": "a", "label": ["x", "y"]}\n', 'line 1: label must hold one label but got ["x", "y"]'),
        ("a.jsonl", '{"text": {"a": 1}, "label": "x"}\n', "line 1: text must be a plain value"),
        ("a.jsonl", "\n\n", "is empty"),
        ("a.parquet", "PAR1nonsense", "does not parse as parquet"),
        ("a.arrow", "nonsense", "does not parse as arrow"),
        ("a.xlsx", "x", "has no known format; known: .parquet"),
    ],
)
def test_messages(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    fails(write(tmp_path / name, content), message)


def test_missing_files_name_their_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "messages.csv", "text,label\n")
    fails(tmp_path / "mesages.csv", "does not exist; did you mean messages.csv?")
    fails(tmp_path / "no" / "a.csv", "nor does the folder")
    with pytest.raises(InputError):
        list(rows("a\0b.csv", COLUMNS))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet", ".arrow", ".csv.gz", ".json"]),
    st.sampled_from(
        [b"", b"text,label\n", b"text\tlabel\r\n", b'{"text": "a", "label": "b"}\n', b"PAR1", b"ARROW1\0\0"]
    ),
    st.binary(max_size=300) | st.text(alphabet="\",;\t\r\n'[]{}:ab\ufeff", max_size=80).map(str.encode),
    st.sampled_from([b"", b"PAR1", b"ARROW1"]),
)
def test_any_bytes_are_rows_or_an_input_error(
    tmp_path: Path, suffix: str, head: bytes, body: bytes, tail: bytes
) -> None:
    path = write(tmp_path / f"fuzz{suffix}", head + body + tail)
    try:
        found = read(path)
    except InputError:
        return
    assert all(isinstance(row.text, str) and row.line >= 1 for row in found)


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_jsonl_gives_texts_back(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    path = write(tmp_path / "a.jsonl", "\n".join(json.dumps({"text": a, "label": "l" + b}) for a, b in pairs))
    assert [(row.text, row.label) for row in read(path)] == [(a, ("l" + b).strip()) for a, b in pairs]


# -- Parquet, Arrow, folders, the hub ---------------------------------------------------------------------------------


def test_parquet_and_arrow(tmp_path: Path) -> None:
    import polars as pl

    frame = pl.DataFrame({"text": ["a", None, "c"], "label": [0, 1, 1], "other": [[1], [2], [3]]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ipc(tmp_path / "file.arrow")
    frame.write_ipc_stream(tmp_path / "stream.arrow")
    for name in ("a.parquet", "file.arrow", "stream.arrow"):
        assert cells(tmp_path / name) == [(1, "a", "0"), (2, "", "1"), (3, "c", "1")]
        fails(tmp_path / name, "has no column txt; did you mean text?", Columns("txt", "label"))
        fails(tmp_path / name, "other must hold one label", Columns("text", "other"))


def test_class_names_of_a_parquet_file(tmp_path: Path) -> None:
    import polars as pl

    info = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    frame = pl.DataFrame({"text": ["a", "b", "c"], "label": [0, 1, -1]})
    frame.write_parquet(tmp_path / "a.parquet", metadata={"huggingface": json.dumps(info)})
    assert [row.label for row in read(tmp_path / "a.parquet")] == ["no", "yes", ""]


def test_a_folder_written_by_save_to_disk(tmp_path: Path) -> None:
    import polars as pl

    for split, texts in (("train", ["a", "b"]), ("test", ["c"])):
        (tmp_path / split).mkdir()
        pl.DataFrame({"text": texts, "label": [0, 1][: len(texts)]}).write_ipc_stream(
            tmp_path / split / "data-00000-of-00001.arrow"
        )
        (tmp_path / split / "cache-123.arrow").write_bytes(b"x")
        info = {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}
        (tmp_path / split / "dataset_info.json").write_text(json.dumps(info))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert {(row.text, row.label, row.sealed) for row in read(tmp_path)} == {
        ("a", "no", False),
        ("b", "yes", False),
        ("c", "no", True),
    }


def test_a_folder_of_csv_files(tmp_path: Path) -> None:
    write(tmp_path / "data" / "contest-train.csv", "text,label\na,x\n")
    write(tmp_path / "data" / "my_test.csv", "text,label\nb,y\n")
    assert [(row.text, row.sealed) for row in read(tmp_path)] == [("a", False), ("b", True)]
    (tmp_path / "data" / "contest-train.csv").unlink()
    assert [(row.text, row.sealed) for row in read(tmp_path)] == [("b", False)]
    (tmp_path / "data" / "my_test.csv").unlink()
    fails(tmp_path, "holds no data file")


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "train.csv", "text,label\na,x\n")
    hub = types.ModuleType("huggingface_hub")
    hub.snapshot_download = lambda name, **_: str(tmp_path) if name == "owner/name" else 1 / 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert [row.text for row in rows("owner/name", COLUMNS)] == ["a"]
    assert [row.text for row in rows("hf://datasets/owner/name", COLUMNS)] == ["a"]
    with pytest.raises(InputError, match="neither here nor on the Hugging Face hub"):
        list(rows("owner/other", COLUMNS))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"pare-lm\[hub\]"):
        list(rows("owner/name", COLUMNS))
