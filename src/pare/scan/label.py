"""Texts in, a teacher's labels out: reading, asking, and a CSV that ``pare find`` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pare.artifacts import write_table
from pare.data.read import Columns, rows
from pare.errors import InputError
from pare.proof.binomial import wilson
from pare.remote import Answer, Endpoint, Price, Progress, answers, describe, estimate, self_agreement
from pare.remote.label import ANSWER_TOKENS, PARAMETERS, label_of, prompts
from pare.store import user_folder


@dataclass(frozen=True, slots=True)
class Labelled:
    """What came of it. ``self_agreement`` is the share of texts with the same label in two passes, None after one."""

    path: str
    rows: int
    labelled: int
    unlabelled: int
    asked: int
    reused: int
    spent_usd: Decimal | None
    self_agreement: float | None
    stopped: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Who labels, and what it may cost."""

    teacher: str
    model: str
    key_env: str = "OPENAI_API_KEY"
    price_in: Decimal | None = None
    price_out: Decimal | None = None
    cap: Decimal | None = None
    passes: int = 1

    @property
    def price(self) -> Price | None:
        if (self.price_in is None) != (self.price_out is None):
            raise InputError(
                "--price-in and --price-out must both be given, or neither; US dollars for a million tokens"
            )
        return None if self.price_in is None or self.price_out is None else Price(self.price_in, self.price_out)


def label(
    inputs: Path,
    column: str,
    labels: Path,
    out: Path,
    asked: Asked,
    say: Callable[[str], None],
    progress: Callable[[Progress], None] | None,
) -> Labelled:
    """Asks for a label of every distinct text; writes text, label, model. Raises InputError as ``remote.answers`` does."""
    names = read_labels(labels)
    texts = list(dict.fromkeys(row.text.strip() for row in rows(str(inputs), Columns(column, "")) if row.text.strip()))
    if not texts:
        raise InputError(f"{inputs} holds no text in {column}; name the column of texts with --input")
    endpoint, cache = Endpoint(asked.teacher, asked.model, asked.key_env), user_folder() / "answers.db"
    cache.parent.mkdir(parents=True, exist_ok=True)
    questions = prompts(texts, names)
    price = asked.price
    say(
        describe(
            estimate(
                endpoint,
                questions,
                cache,
                parameters=PARAMETERS,
                price=price,
                passes=asked.passes,
                expected_tokens=ANSWER_TOKENS // 2,
            )
        )
    )
    found = answers(
        endpoint,
        questions,
        cache,
        parameters=PARAMETERS,
        cap_usd=asked.cap,
        price=price,
        passes=asked.passes,
        expected_tokens=ANSWER_TOKENS // 2,
        refusals=max(1, len(texts) // 100),
        progress=progress,
    )
    given = [_label(answer, names) for answer in found.passes[0]]
    rows_of = ((text, one or "", asked.model if one else "") for text, one in zip(texts, given, strict=True))
    write_table(out, ("text", "label", "model"), rows_of)
    agreement = None
    if asked.passes == 2 and not found.stopped:
        first, second = found.passes
        alike = self_agreement(first, second, wilson, same=lambda a, b: label_of(a, names) == label_of(b, names))
        agreement = alike.share
    done = sum(one is not None for one in given)
    return Labelled(
        path=str(out),
        rows=len(texts),
        labelled=done,
        unlabelled=len(texts) - done,
        asked=found.asked,
        reused=found.reused,
        spent_usd=found.spent_usd,
        self_agreement=agreement,
        stopped=found.stopped,
    )


def read_labels(path: Path) -> dict[str, str]:
    """Names with what they mean, from a YAML list of names or a mapping. Raises InputError where it is neither."""
    import yaml

    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from None
    named = dict.fromkeys(tree, "") if isinstance(tree, list) and all(isinstance(one, str) for one in tree) else tree
    if not isinstance(named, dict) or len(named) < 2:
        raise InputError(f"{path} must hold a list of two labels or more, or label: meaning; write '- refund' lines")
    return {str(name): "" if meaning is None else str(meaning) for name, meaning in named.items()}


def _label(answer: Answer | None, names: dict[str, str]) -> str | None:
    return None if answer is None else label_of(answer.text, names)
