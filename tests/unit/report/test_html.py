import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.report.html import Html, escape, join, tag


def test_plain_text_is_escaped_once_and_html_is_not():
    inner = tag("b", "a < b & c")
    assert inner == "<b>a &lt; b &amp; c</b>"
    assert tag("p", inner, " & more") == "<p><b>a &lt; b &amp; c</b> &amp; more</p>"


@pytest.mark.parametrize("hostile", ['"><script>alert(1)</script>', "' onload='x", "<!--", "]]>", "&lt;"])
def test_attributes_cannot_be_left(hostile):
    made = tag("i", title=hostile)
    assert made.count('"') == 2
    assert "<" not in made[2:-5]
    assert "'" not in made


def test_missing_attributes_are_left_out():
    assert tag("td", "x", class_=None, data_v="", hidden=False, wide=True) == '<td data-v="" wide>x</td>'


def test_children_are_flattened_and_none_is_skipped():
    assert join(["a", None, ["b", Html("<br>")]], 3) == "ab<br>3"


@given(st.text(st.characters()))
def test_anything_becomes_safe_utf8(value):
    made = escape(value)
    made.encode("utf-8")
    assert not set(made) & set("<>\"'\x00\x1b")


def test_half_surrogates_do_not_break_the_file():
    escape("\ud83d broken").encode("utf-8")
