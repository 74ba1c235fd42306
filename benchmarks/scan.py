"""Scans a log of a simulated incumbent: three jobs mixed, the first of them Banking77 at 91 % accuracy in JSON.

    python benchmarks/scan.py [--requests 1000000] [--log runs/simulated.jsonl]

The incumbent is simulated, not measured: its answer is the true intent in 91 % of the requests, else another intent at
random. The other jobs are instructions answered at length (Alpaca) and questions turned into SQL (Geography). Rows are
repeated with other order numbers to reach the number of requests. Prints the scan, its time and its peak memory.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from pare.report.scan import show
from pare.scan.scan import scan

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PARE_DATA", ROOT.parent / "shared" / "data"))
ACCURACY = 0.91
SYSTEM = "You route messages of a bank's customers. Answer with JSON that names the intent, and with nothing else."


def record(model: str, system: str, user: str, answer: str, moment: float) -> dict[str, object]:
    """A chat completion, request and response, as OpenAI's API has them; tokens at four characters each."""
    return {
        "request": {
            "model": model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "temperature": 0,
        },
        "response": {
            "model": model,
            "created": int(moment),
            "choices": [{"message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": (len(system) + len(user)) // 4 + 8, "completion_tokens": len(answer) // 4 + 1},
        },
    }


def simulated(requests: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """So many requests of the three jobs, mixed; the first pass over Banking77's train.csv holds each row once."""
    rng = random.Random(seed)
    with (DATA / "intent/banking77/banking_data/train.csv").open(encoding="utf-8", newline="") as file:
        banking = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    labels = sorted({label for _, label in banking})
    alpaca = json.loads(next((DATA / "generate/alpaca_demo").rglob("*.json")).read_text(encoding="utf-8"))
    queries = json.loads(next((DATA / "sql/geography").rglob("geography.json")).read_text(encoding="utf-8"))
    rng.shuffle(banking)
    moment, routed = 1_780_000_000.0, 0
    for _ in range(requests):
        moment += 30 * 86_400 / requests
        draw = rng.random()
        if draw < 0.7:
            text, label = banking[routed % len(banking)]
            routed += 1
            given = label if rng.random() < ACCURACY else rng.choice([other for other in labels if other != label])
            user = f"Message:\n<message>{text}</message>\nAnswer as JSON with the key intent."
            yield record("gpt-4o-mini", SYSTEM, user, json.dumps({"intent": given}), moment)
        elif draw < 0.85:
            row = rng.choice(alpaca)
            user = f"{row['instruction']}\n{row.get('input', '')}".strip()
            yield record("gpt-4o", "You are a helpful writer of a bank.", user, row["output"], moment)
        else:
            row = rng.choice(queries)
            sentence = rng.choice(row["sentences"])["text"] if "sentences" in row else str(row["question"])
            sql = row["sql"][0] if isinstance(row.get("sql"), list) else str(row["query"])
            user = f"Schema: state, city, river, lake, mountain.\nQuestion: {sentence}\nSQL:"
            yield record("gpt-4o-mini", "Turn questions into SQL. Write SQL only.", user, sql, moment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=14_300)
    parser.add_argument("--log", type=Path, default=ROOT / "runs" / "simulated.jsonl")
    options = parser.parse_args()
    options.log.parent.mkdir(parents=True, exist_ok=True)
    with options.log.open("w", encoding="utf-8") as file:
        for one in simulated(options.requests):
            file.write(json.dumps(one) + "\n")
    start = time.perf_counter()
    found = scan(options.log)
    seconds = time.perf_counter() - start
    show(found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{options.requests:,} requests, {options.log.stat().st_size / 1e6:,.0f} MB: {seconds:.1f} s, peak {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
