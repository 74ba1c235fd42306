"""A log of a large model that does two jobs, in OpenAI's form: made up, with a known truth."""

from __future__ import annotations

import json
import random
from pathlib import Path

WORDS = {"card": "card plastic chip pin", "money": "money cash transfer fee", "phone": "phone mobile handset sim"}
FILLER = ("please could you tell me what happens when somebody wants this today or tomorrow maybe later").split()  # noqa: SIM905


def _record(number: int, model: str, system: str, user: str, answer: str) -> dict[str, object]:
    return {
        "request": {
            "model": model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        },
        "response": {
            "created": 1_780_000_000 + 3600 * number,
            "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        },
    }


def write_log(path: Path, rows: int = 900, seed: int = 0) -> Path:
    """Two programs: one routes into the labels of ``WORDS`` in JSON, right in nine of ten; every third request is a poem."""
    rng = random.Random(seed)
    made = []
    for i in range(rows):
        words = rng.choices(FILLER, k=9)
        if i % 3 == 2:
            made.append(_record(i, "gpt-4o", "Write a poem.", " ".join(words), " ".join(rng.choices(FILLER, k=40))))
            continue
        label = rng.choice(list(WORDS))
        text = " ".join([*words, rng.choice(WORDS[label].split()), str(rng.randrange(10**6))])
        given = label if rng.random() < 0.9 else rng.choice(list(WORDS))
        made.append(
            _record(i, "gpt-4o-mini", "Route it.", f"Message: {text}\nAnswer in JSON.", json.dumps({"intent": given}))
        )
    path.write_text("".join(json.dumps(one) + "\n" for one in made))
    return path
