"""What teachers are asked for, and what is read from their answers."""

from __future__ import annotations

import json

from pare.remote.synthesize import invent, messages_of


def test_messages_are_read_from_what_teachers_write() -> None:
    two = ["one", "two, with [brackets]"]
    for answer in (
        json.dumps(two),
        json.dumps({"messages": two}),
        json.dumps({"class": "x", "items": [{"text": text} for text in two]}),
        json.dumps([{"class": "longer than any of them", "Message": text} for text in two]),
        json.dumps([{"class": "a", "body": text} for text in two]),
        f"Here you are:\n```json\n{json.dumps(two, indent=1)}\n```\nAnything else?",
        f'{json.dumps(two)[:-1]}, "cut off in the mid',
        "Sure!\n1. one\n2) two, with [brackets]\n",
        "- one\n* two, with [brackets]",
    ):
        expected = ["one", "two, with [brackets]"]
        assert messages_of(answer) == expected, answer
    assert messages_of('[" a ", 3, null, {"n": 1}, ["b"]]') == ["a"]
    assert messages_of('[{"class": "refund", "text": ""}, {"class": "refund"}]') == ["", "refund"]
    for answer in ("", "no", "[", "{}", "[]", '{"messages": "one"}'):
        assert messages_of(answer) == []


def test_requests_of_one_class_differ() -> None:
    examples = ["a", "b"]
    assert invent("card", examples, 5, 1, 2) != invent("card", examples, 5, 2, 2)
