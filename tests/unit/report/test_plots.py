import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.report.labels import Anchor, Box, place
from pare.report.svg import Axes, Point, scatter

WIDE = Axes(540, 360)
FRAME = Box(40, 10, 520, 320)


def point(name, x, y, role="other", spread=0.01):
    return Point(name, x, y, y - spread, y + spread, role, f"{name} tip")


def draw(points, bar=0.92, axes=WIDE):
    return scatter(points, axes, x_title="MB", x_text=lambda v: f"{v:g}", bar=bar, bar_text="bar: x")


def test_names_do_not_cover_each_other_or_the_points():
    anchors = [Anchor(f"student-{i}-int8", 100 + 14 * i, 100 + 3 * i, 5, True) for i in range(6)]
    found = [label.box for label in place(anchors, FRAME, [], []) if label]
    assert len(found) == 6
    for i, box in enumerate(found):
        assert not box.outside(FRAME)
        assert all(box.overlap(other) == 0 for other in found[i + 1 :])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(45, 515), st.floats(15, 315), st.booleans()), max_size=14))
def test_optional_names_never_cover_anything(spots):
    anchors = [Anchor(f"name-{i}", x, y, 4, must) for i, (x, y, must) in enumerate(spots)]
    labels = place(anchors, FRAME, [], [])
    assert all(label is not None for label, a in zip(labels, anchors, strict=True) if a.must)
    loose = [label.box for label, a in zip(labels, anchors, strict=True) if label and not a.must]
    for i, box in enumerate(loose):
        assert not box.outside(FRAME)
        assert all(box.overlap(other) == 0 for other in loose[i + 1 :])


def test_the_bar_is_drawn_with_its_label():
    made = draw([point("a", 1, 0.9), point("b", 10, 0.94)])
    assert 'class="bar"' in made
    assert "bar: x" in made


def test_without_a_bar_no_line_is_drawn():
    assert 'class="bar"' not in draw([point("a", 1, 0.9), point("b", 10, 0.94)], bar=None)


def test_every_point_has_its_figures_to_hover_and_an_error_bar():
    made = draw([point("a", 1, 0.9), point("b", 10, 0.94, "winner")])
    assert made.count("data-tip=") == 2
    assert made.count('class="err"') == 2


def test_the_axis_is_logarithmic():
    made = draw([point("a", 1, 0.9), point("b", 10, 0.9), point("c", 100, 0.9)])
    a, b, c = sorted(float(x) for x in re.findall(r'cx="([\d.]+)"', made))
    assert b - a == pytest.approx(c - b, abs=0.2)


def test_a_collapsed_model_does_not_flatten_the_others():
    made = draw([point("a", 1, 0.91), point("b", 5, 0.93), point("c", 9, 0.94), point("broken", 3, 0.12)])
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', made)]
    assert len(heights) == 3
    assert max(heights) - min(heights) > 40
    assert "broken (12 %)" in made


@pytest.mark.parametrize("bar", [None, 0.9, 1.0, 0.0])
def test_one_point_or_equal_points_can_be_drawn(bar):
    for y in (0.0, 0.9, 1.0):
        assert "<svg" in draw([Point("a", 3, y, y, y, "winner", "")], bar=bar)
        assert "<svg" in draw([Point("a", 3, y, y, y, "winner", ""), Point("b", 3, y, y, y, "other", "")], bar=bar)


def test_marks_stay_inside_the_frame():
    made = draw([point("a", 1, 0.9), point("b", 10_000, 0.99, spread=0.02)], axes=Axes(350, 330))
    assert all(0 <= float(x) <= 350 for x in re.findall(r'cx="([-\d.]+)"', made))
    assert all(0 <= float(y) <= 330 for y in re.findall(r'cy="([-\d.]+)"', made))
