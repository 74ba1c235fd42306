from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pare.data.conll import looks_like_conll
from pare.data.read import Columns, Row, rows
from pare.errors import InputError

WORDS = Columns("word", "tag")


def read(path: Path, content: str | bytes, columns: Columns = WORDS) -> list[Row]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(rows(str(path), columns))


def cells(path: Path, content: str, columns: Columns = WORDS) -> list[tuple[int, str, str]]:
    return [(row.line, row.text, row.label) for row in read(path, content, columns)]


def test_a_blank_line_ends_a_sentence_whatever_white_space_it_holds(tmp_path: Path) -> None:
    content = "Ada\tB-person\r\nsings\tO\r\n\t\r\n\n \nBonn\tB-place\n"
    assert cells(tmp_path / "a.conll", content) == [(1, "Ada sings", "B-person O"), (6, "Bonn", "B-place")]


def test_documents_are_marked_by_lines_that_are_no_words(tmp_path: Path) -> None:
    content = "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n-DOCSTART- -X- O O\nrejects VBZ I-VP O\n"
    assert cells(tmp_path / "a.conll", content) == [(3, "EU", "B-ORG"), (5, "rejects", "O")]


def test_columns_are_named_or_counted(tmp_path: Path) -> None:
    content = "1\tEU\tNNP\tB-ORG\n2\trejects\tVBZ\tO\n"
    assert cells(tmp_path / "a.conll", content, Columns("2", "3")) == [(1, "EU rejects", "NNP VBZ")]
    assert cells(tmp_path / "a.conll", content, Columns("2", "tag")) == [(1, "EU rejects", "B-ORG O")]
    assert cells(tmp_path / "a.conll", content, Columns("2", "")) == [(1, "EU rejects", "")]


def test_a_file_of_any_name_is_known_by_its_content(tmp_path: Path) -> None:
    assert cells(tmp_path / "emerging.test.annotated", "Ada\tB-person\nsings\tO\n") == [(1, "Ada sings", "B-person O")]
    assert cells(tmp_path / "eng.testa", "-DOCSTART- -X- -X- O\n\nBonn NNP B-NP B-LOC\n") == [(3, "Bonn", "B-LOC")]
    with pytest.raises(InputError, match="no known format"):
        read(tmp_path / "plain.txt", "some words\nand others\n")


@pytest.mark.parametrize(
    "content",
    [
        "where is my Order\nI have sent an E-mail\n",
        "cancel Order\nanswer E-mail\n\nplease call Us\n",
        "cancel E-mail\nanswer S-Bahn\n",
        "a Ω O\nb O\n",
        "is this B-vitamin E-mail\nno O\n",
        "just O\nwords\n",
    ],
)
def test_texts_that_end_like_tags_are_no_conll(tmp_path: Path, content: str) -> None:
    assert not looks_like_conll(content.splitlines(keepends=True))
    with pytest.raises(InputError, match="no known format"):
        read(tmp_path / "plain.txt", content)


def test_comments_before_a_sentence_are_no_words(tmp_path: Path) -> None:
    content = "# id 17\tdomain=en\n# source web\nAda\tB-x\n\n# id 18\tdomain=en\nsings\tO\n# 1\tO\n\n#\tO\nyes\tO\n"
    expected = [(3, "Ada", "B-x"), (6, "sings # 1", "O O"), (9, "# yes", "O O")]
    for name in ("a.conll", "a.unknown"):
        found = cells(tmp_path / name, content.replace("# 1", "#"))
        assert found == [(line, text.replace("# 1", "#"), tags) for line, text, tags in expected]
    assert cells(tmp_path / "b.conll", "# O\nyes O\n") == [(1, "# yes", "O O")]


@pytest.mark.parametrize("name", ["unit", "slices", "time", "answer"])
def test_columns_that_are_neither_words_nor_tags_are_refused(tmp_path: Path, name: str) -> None:
    columns = Columns("1", "tag", **{name: "2"})
    with pytest.raises(InputError, match=f"has no column 2 for {name}: a CoNLL file holds words and tags only"):
        read(tmp_path / "a.conll", "Ada\tx\tO\n", columns)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Ada\tO\nsings\n", "line 2 must have a column tag but has 1"),
        ("Ada\tO\nsings\t \n", "line 2: the tag must be one word but got ''"),
        ("Ada\tO O\n", "line 1: the tag must be one word but got 'O O'"),
        ("\n\n", "is empty"),
        ("-DOCSTART- O\n", "is empty"),
        ("a\tO\n\xff".encode("latin-1"), "line 2 is not UTF-8"),
    ],
)
def test_bad_input_names_its_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a.conll", content)
    assert message in str(caught.value)


def test_an_unknown_column_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column token; .*word"):
        read(tmp_path / "a.conll", "Ada\tO\n", Columns("token", "tag"))
    with pytest.raises(InputError, match="no column customer"):
        read(tmp_path / "a.conll", "Ada\tO\n", Columns("word", "tag", unit="customer"))
    with pytest.raises(InputError, match="no column 3"):
        read(tmp_path / "a.conll", "Ada\tO\n", Columns("word", "3"))


def test_sentences_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Ada\tO\n\n" * 3 + "broken\n")
    stream = rows(str(path), WORDS)
    assert [next(stream).line for _ in range(3)] == [1, 3, 5]


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
SENTENCE = st.lists(st.tuples(CELL.filter(lambda w: w != "-DOCSTART-"), st.sampled_from(["O", "B-x"])), min_size=1)
SETTINGS = settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(st.lists(SENTENCE, min_size=1, max_size=5), st.sampled_from(["\t", " "]))
def test_what_was_written_is_read(tmp_path: Path, sentences: list[list[tuple[str, str]]], mark: str) -> None:
    content = "\n\n".join("\n".join(mark.join(pair) for pair in sentence) for sentence in sentences)
    found = read(tmp_path / "a.conll", content.removeprefix("\ufeff"))
    expected = [[word for word, _ in sentence] for sentence in sentences]
    expected[0][0] = expected[0][0].removeprefix("\ufeff")
    assert [row.text.split(" ") for row in found] == expected
    assert [row.label.split() for row in found] == [[tag for _, tag in sentence] for sentence in sentences]


@SETTINGS
@given(st.binary(max_size=80) | st.text("\t \n\rO-BDCSTART", max_size=60).map(str.encode))
def test_whatever_the_bytes_the_only_error_is_input_error(tmp_path: Path, content: bytes) -> None:
    for name in ("a.conll", "a.odd"):
        with suppress(InputError):
            assert all(row.label for row in read(tmp_path / name, content))
