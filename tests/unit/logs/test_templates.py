from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pare.logs.contract import Contract
from pare.logs.forms import Form
from pare.logs.templates import Extractor, Piece, Template, constant_share, input_text, known, learn, merged
from pare.logs.types import Logged
from pare.types import Message

WORDS = ("where is my card the parcel came late again please refund both of them today or call me back soon").split()  # noqa: SIM905


def said(rng: random.Random, least: int = 3) -> str:
    return (
        " ".join(rng.choices(WORDS, k=rng.randint(least, 12)))
        + rng.choice(["", "?", "!", "."])
        + f" {rng.random():.4f}"
    )


def request(line: int, *messages: tuple[str, str]) -> Logged:
    return Logged(line, tuple(Message(role, text) for role, text in messages), "yes")  # type: ignore[arg-type]


def learnt(*forms: tuple[str, str], rows: int = 60) -> tuple[Template, list[Logged]]:
    """The template of requests whose ``{}`` are filled with other words each time."""
    rng = random.Random(1)
    made = [request(i, *((role, fill(form, rng)) for role, form in forms)) for i in range(rows)]
    return learn(made, known(made)), made


def fill(form: str, rng: random.Random) -> str:
    while "{}" in form:
        form = form.replace("{}", said(rng), 1)
    return form


@pytest.mark.parametrize(
    ("forms", "slots"),
    [
        ([("system", "Classify the message."), ("user", "{}")], ("user",)),
        ([("user", "Classify the message.\nMessage: {}\nLabel:")], ("message",)),
        ([("user", "Choose one.\n<ticket>\n{}\n</ticket>\nAnswer in JSON.")], ("ticket",)),
        ([("user", 'Subject: "{}"\nBody: "{}"\nWhich queue?')], ("subject", "body")),
        ([("system", "Customer tier: {}\nBe brief."), ("user", "Question: {}")], ("customer_tier", "question")),
        ([("user", "Same: {}\nSame: {}")], ("same", "same_2")),
    ],
)
def test_slots_are_found_and_named(forms: list[tuple[str, str]], slots: tuple[str, ...]) -> None:
    template, made = learnt(*forms)
    assert template.slots == slots
    extract = Extractor(template)
    for one in made:
        found = extract.slots(one)
        assert found is not None
        rebuilt = [
            "".join(text + found.get(slot, "") for text, slot in zip(p.constants, [*p.slots, ""], strict=True))
            for p in template.pieces
        ]
        assert rebuilt == [message.text for message in one.messages]


def test_a_slot_may_hold_several_lines_and_nothing() -> None:
    template = Template((Piece("user", ("Text:\n", "\nEnd."), ("text",)),))
    for text in ("one\ntwo\n\nthree", "", "Text:\nEnd."):
        assert Extractor(template).slots(request(1, ("user", f"Text:\n{text}\nEnd."))) == {"text": text}


def test_what_does_not_fit_is_none() -> None:
    template, _ = learnt(("system", "Classify."), ("user", "Message: {}"))
    assert Extractor(template).slots(request(1, ("system", "Classify."), ("user", "hello"))) is None
    assert Extractor(template).slots(request(1, ("user", "Message: hello"))) is None


def test_programs_are_told_apart_and_a_users_repeated_words_are_no_program() -> None:
    rng = random.Random(2)
    made = [request(i, ("system", "Route the message."), ("user", said(rng))) for i in range(600)]
    made += [request(i, ("system", "Route the message."), ("user", "hello")) for i in range(20)]
    made += [request(i, ("system", "Summarise the text."), ("user", said(rng))) for i in range(300)]
    made += [request(i, ("user", f"Translate: {said(rng)}")) for i in range(200)]
    own = known(made)
    from collections import Counter

    counts = Counter(own.signature(one) for one in made)
    homes = merged(counts)
    sizes: Counter[object] = Counter()
    for found, count in counts.items():
        sizes[homes[found]] += count
    assert sorted(sizes.values()) == [200, 300, 620]


def test_the_share_that_every_prompt_repeats() -> None:
    template = Template((Piece("system", ("x" * 80,), ()), Piece("user", ("", ""), ("user",))))
    assert constant_share(template, ["y" * 20] * 5) == pytest.approx(0.8)


def test_several_slots_are_read_behind_their_names() -> None:
    assert input_text({"message": " hi "}) == "hi"
    assert input_text({"subject": "a", "body": "b"}) == "subject: a\nbody: b"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_whatever_texts_a_template_fits_what_it_was_learnt_from(texts: list[str], before: str, after: str) -> None:
    made = [request(i, ("user", f"{before}{text}{after}")) for i, text in enumerate(texts)]
    template = learn(made, known(made))
    fits = sum(Extractor(template).slots(one) is not None for one in made)
    assert fits >= 0.9 * len(made)


def test_a_contract_survives_the_manifest() -> None:
    template, made = learnt(("system", "Classify."), ("user", "Message: {}"))
    contract = Contract(template, Form("label", ("a", "b"), field="intent", keys=("intent",)))
    back = Contract.of(contract.plain())
    assert back == contract
    assert back.text(made[0]) == contract.text(made[0]) is not None
    assert back.answer("a", 0.9) == '{"intent": "a"}'
