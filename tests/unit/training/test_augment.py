from hypothesis import given
from hypothesis import strategies as st

from pare.training.augment import augment

TEXTS = ["where is my card", "top up failed", "hi"]


def test_copies_are_many_repeatable_and_different() -> None:
    made = augment(TEXTS, copies=3, seed=1)
    assert len(made) == 9
    assert made == augment(TEXTS, copies=3, seed=1)
    assert made != augment(TEXTS, copies=3, seed=2)
    assert set(made) - set(TEXTS)


@given(st.lists(st.text(), min_size=1, max_size=5), st.integers(0, 2))
def test_any_text_can_be_disturbed(texts: list[str], copies: int) -> None:
    assert len(augment(texts, copies, seed=0)) == copies * len(texts)


def test_no_text_loses_all_its_words() -> None:
    assert all(augment(["one", "two words"], copies=50, seed=0))
