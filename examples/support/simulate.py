"""Writes logs.jsonl: what a large model might have logged while it worked on messages.csv. The model is simulated.

    python examples/support/simulate.py

Three programs of a shop ask it, in OpenAI's form: one routes every message of messages.csv into an intent, in JSON, and is
right on ``ACCURACY`` of them, else wrong at random; one reads an order's number and product out of some; one drafts replies.
Times and token counts are made up too. The same seed gives the same file.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

HERE = Path(__file__).parent
ACCURACY = 0.75
"""The simulated model's share of right intents: it knows the words, not the shop's own meaning of them."""
SEED = 7
DAYS = 30
START = 1_793_000_000

ROUTE = "You sort a shop's messages. Answer with JSON that names the intent, and with nothing else."
ORDER = "Read the order out of the note. Answer with JSON: number, product, urgent."
REPLY = "You answer a shop's customers. Write a short, kind reply that promises nothing."
PRODUCTS = ("kettle", "pillow", "lamp", "rucksack", "desk", "blender", "jumper", "headphones")
OPENINGS = (
    "Thank you for writing to us.",
    "I am sorry to hear this.",
    "Thanks for your patience.",
    "Good to hear from you.",
)
MIDDLES = (
    "I have passed your message on to a colleague who can look into your order.",
    "Our team reads every message in turn and will come back to you by email.",
    "Please keep the parcel and its packaging until you hear from us again.",
    "You can see the state of it in your account under my orders at any time.",
)
ENDINGS = ("Kind regards, your shop", "Have a good day, your shop", "With best wishes, your shop")


def record(rng: random.Random, moment: float, model: str, system: str, user: str, answer: str) -> dict[str, object]:
    """One chat completion, request and response; a token is taken as four characters."""
    tokens_in, tokens_out = (len(system) + len(user)) // 4 + 8, len(answer) // 4 + 1
    return {
        "request": {
            "model": model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        },
        "response": {
            "created": int(moment),
            "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out},
        },
        "latency_ms": round(280 + 14 * tokens_out + rng.expovariate(1 / 150)),
    }


def simulated(messages: list[dict[str, str]]) -> list[dict[str, object]]:
    """The log's records, oldest first."""
    rng = random.Random(SEED)
    intents = sorted({row["intent"] for row in messages})
    asked: list[tuple[str, str, str, str]] = []
    for row in messages:
        wrong = [intent for intent in intents if intent != row["intent"]]
        given = row["intent"] if rng.random() < ACCURACY else rng.choice(wrong)
        user = f"Message: {row['text']}\nAnswer as JSON with the key intent."
        asked.append(("gpt-4o-mini", ROUTE, user, json.dumps({"intent": given})))
    for _ in range(300):
        number, product = str(rng.randrange(10**5, 10**6)), rng.choice(PRODUCTS)
        note = rng.choice(
            (f"customer wants the {product} from {number} sooner", f"{number}: {product} missing, call back")
        )
        order = {"number": number, "product": product, "urgent": "sooner" in note}
        asked.append(("gpt-4o-mini", ORDER, f"Note: {note}", json.dumps(order)))
    for row in rng.sample(messages, 250):
        reply = " ".join((rng.choice(OPENINGS), *rng.sample(MIDDLES, 2), rng.choice(ENDINGS)))
        asked.append(("gpt-4o", REPLY, row["text"], reply))
    rng.shuffle(asked)
    step = DAYS * 86_400 / len(asked)
    return [record(rng, START + place * step, *one) for place, one in enumerate(asked)]


def main() -> None:
    with (HERE / "messages.csv").open(encoding="utf-8", newline="") as file:
        messages = list(csv.DictReader(file))
    with (HERE / "logs.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in simulated(messages))


if __name__ == "__main__":
    main()
