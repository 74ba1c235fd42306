import pytest

from pare.families import family_of
from pare.planner.anatomy import model_class
from pare.report.anatomy import anatomy, show
from pare.testing.minilm import MINILM
from pare.types import Part, Shape


def test_minilm_is_half_embeddings():
    found = anatomy(family_of(MINILM).shape(MINILM, 77), 90_900_000)
    groups = {group.name: group for group in found.groups}
    assert list(groups) == ["embeddings", "attention", "ffn", "head"]
    assert 0.52 < groups["embeddings"].share < 0.54
    assert sum(group.parameters for group in found.groups) == found.parameters
    assert sum(group.bytes for group in found.groups) == pytest.approx(found.weight_bytes)
    assert sum(group.flops_per_token for group in found.groups) == found.flops_per_token
    assert found.model_class == 0
    assert found.as_dict()["groups"][0]["name"] == "embeddings"


def test_bytes_follow_the_bits():
    found = anatomy(Shape("linear", (Part("features", 1000, bits=8), Part("bias", 10))))
    assert [(g.name, g.bytes) for g in found.groups] == [("head", 40), ("features", 1000)]
    assert found.size_bytes is None


def test_parts_without_a_known_name_are_the_rest():
    assert anatomy(Shape("x", (Part("gate", 5),))).groups[0].name == "rest"


@pytest.mark.parametrize(("size", "number"), [(1, 0), (1_999_999_999, 0), (2e9, 1), (10e9, 2), (99e9, 2), (100e9, 3)])
def test_classes_follow_the_bounds(size, number):
    assert model_class(int(size)) == number


def test_rows_end_in_a_total():
    rows = anatomy(Shape("x", (Part("head", 5), Part("embeddings.word", 15)))).rows()
    assert rows[0][0] == "part"
    assert rows[-1][:3] == ["total", "20", "100.0 %"]
    assert len({len(row) for row in rows}) == 1


def test_parts_and_what_lies_beside_them_are_all_bytes_of_the_files():
    *_, total, beside, files = anatomy(Shape("x", (Part("head", 500_000),)), 2_300_000).rows()
    assert [row[0] for row in (total, beside, files)] == ["total", "graph, tokenizer and manifest", "all files"]
    assert [row[3] for row in (total, beside, files)] == ["2.00 MB", "0.30 MB", "2.30 MB"]


def test_an_upper_bound_says_so():
    assert "at most 5 parameters" in anatomy(Shape("x", (Part("head", 5),), exact=False)).sentence()


def test_a_sentence_says_how_wide_weights_are_and_what_a_token_uses() -> None:
    mixed = anatomy(
        Shape("x", (Part("head", 3_000_000, bits=4), Part("layers.0.experts.ffn", 1_000_000, 8, active=500_000)))
    )
    assert "4,000,000 parameters (class 0), of which a token uses 3,500,000" in mixed.sentence()
    assert "2.50 MB of weights at 5 bits" in mixed.sentence()
    assert {group.name: group.parameters for group in mixed.groups} == {"head": 3_000_000, "ffn": 1_000_000}


def test_nothing_has_an_anatomy_too():
    assert anatomy(Shape("", ())).rows()[-1][1] == "0"


def test_it_prints(capsys):
    show(anatomy(family_of(MINILM).shape(MINILM, 77), 90_900_000))
    assert "embeddings" in capsys.readouterr().out
