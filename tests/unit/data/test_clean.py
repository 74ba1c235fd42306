import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.data import near
from pare.data.clean import RARE_MINIMUM, keep_one, keep_sealed, rare_labels, refuse_several
from pare.data.near import GRAM, THRESHOLD, near_form, near_groups
from pare.data.read import Row
from pare.errors import InputError

Pairs = np.ndarray[tuple[int], np.dtype[np.int64]]


def row(text: str, label: str, line: int = 1, **more: str) -> Row:
    return Row("a.csv", line, text, label, **more)  # type: ignore[arg-type]


def test_duplicates_keep_one() -> None:
    kept, aside = keep_one([row("Hello  you", "x", 2), row("hello you", "x", 3), row("bye", "y", 4)], {})
    assert len(kept) == 2
    assert [(item.line, item.reason) for item in aside] in ([(3, "duplicate of line 2")], [(2, "duplicate of line 3")])


def test_contradictions_set_all_aside() -> None:
    kept, aside = keep_one([row("hi", "x", 2), row("Hi", "y", 3), row("hi", "x", 4)], {})
    assert kept == []
    assert [item.reason for item in aside] == [
        "same text as line 3, which is labelled y",
        "same text as line 2, which is labelled x",
        "same text as line 3, which is labelled y",
    ]


def test_a_newcomer_cannot_push_a_sealed_row_out() -> None:
    sealed = keep_one([row("hi", "x", 2)], {})[0][0].sample.id
    kept, aside = keep_one([row("hi", "y", 1), row("hi", "x", 2)], {sealed: "test"})
    assert [item.sample.id for item in kept] == [sealed]
    assert [item.reason for item in aside] == ["same text as line 2, which was there before and is labelled x"]


def test_rows_of_a_sealed_file_stay_and_have_ids_of_their_own() -> None:
    assert len({item.sample.id for item in keep_sealed([row("a", "x"), row("a", "x"), row("a", "y")])}) == 3


def test_rare_labels() -> None:
    assert rare_labels({"a": 100, "b": 100, "c": RARE_MINIMUM - 1}) == (frozenset("c"), RARE_MINIMUM)
    assert rare_labels({"a": 4, "b": 4, "c": 1}) == (frozenset("c"), 4)
    assert rare_labels({"a": 1, "b": 1}) == (frozenset(), 1)


@pytest.mark.parametrize("mark", ["|", ";", ", "])
def test_several_labels_in_cells(mark: str) -> None:
    several = [row("t", label, n) for n, label in enumerate(["a", "b", f"a{mark}b", f"b{mark}a", "c"] * 3, 2)]
    with pytest.raises(InputError, match=r"a.csv, line 4: the target must hold one label but 6 cells hold several"):
        refuse_several(several)


def test_names_with_commas_are_labels() -> None:
    refuse_several([row("t", label) for label in ["Cards, lost", "Cards, stolen", "Fees; other", "a|b"] * 9])


# -- near-duplicates --------------------------------------------------------------------------------------------------


def overlap(a: str, b: str) -> float:
    grams = [{form[i : i + GRAM] for i in range(max(1, len(form) - GRAM + 1))} for form in (near_form(a), near_form(b))]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def same(groups: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> set[tuple[int, int]]:
    return {(i, j) for i in range(len(groups)) for j in range(i) if groups[i] == groups[j]}


def test_near_forms() -> None:
    assert near_form("Où est ma CARTE ?!") == "ou est ma carte"
    assert near_form(" ??? ") == "???"
    assert len(near_form("a" * 10**6)) == 2_000


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_near_duplicates_are_those_of_brute_force(data: st.DataObject) -> None:
    english = ["where", "is", "my", "card", "the", "a", "refund", "please", "lost", "order", "payment", "what", "how"]
    words = st.sampled_from([*english, "لماذا", "订单", "🙂"])
    texts = [" ".join(data.draw(st.lists(words, max_size=9))) for _ in range(data.draw(st.integers(1, 12)))]
    texts += [text + data.draw(st.sampled_from(["", "?", " x", "s", " now"])) for text in texts]
    parent = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if overlap(texts[i], texts[j]) >= THRESHOLD:
                old, new = parent[i], parent[j]
                parent = [new if p == old else p for p in parent]
    assert same(near_groups(texts)) == same(np.array(parent))


def test_groups_do_not_depend_on_order() -> None:
    rng = random.Random(1)
    texts = [f"please tell me where order {rng.randint(0, 300)} is right now" for _ in range(400)]
    order = rng.sample(range(400), 400)
    straight, shuffled = near_groups(texts), near_groups([texts[i] for i in order])
    assert same(straight[order]) == same(shuffled)


@pytest.mark.parametrize(
    "texts",
    [
        ["where is my card"] * 50_000,
        [f"hello my order number {n * 7919 % 99991:08d} has still not arrived" for n in range(2_000)],
        ["a" * n for n in range(1, 2_000)],
        [" ".join(str(n * k % 9973) for k in range(1, 12)) for n in range(10_000)],
        ["x " * 2_000_000, "x " * 2_000_000 + "y"],
    ],
    ids=["identical", "template", "one letter", "short", "huge"],
)
def test_work_is_bounded(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    offered = 0
    join = near._join

    def counted(group: Pairs, left: Pairs, right: Pairs, *rest: Any) -> Pairs:
        nonlocal offered
        offered += len(left)
        return join(group, left, right, *rest)

    monkeypatch.setattr(near, "_join", counted)
    assert len(near_groups(texts)) == len(texts)
    assert offered <= near.BANDS * near.NEIGHBOURS * len(texts)


def test_nothing() -> None:
    assert len(near_groups([])) == 0
    assert len(near_groups([""])) == 1
