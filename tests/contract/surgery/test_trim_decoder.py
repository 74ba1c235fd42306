"""A decoder with fewer tokens says what it said before, of the tokens that are left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pare.methods.base import BuildContext
from pare.methods.trim_vocab import TrimVocab
from pare.testing.contexts import tiny_artifact, tiny_writing
from pare.testing.tiny import tiny_decoder
from pare.types import Artifact, DataFacts, Sample

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
FACTS = DataFacts(classes=0, rows=60, tokens_per_row=5)


def logits(artifact: Artifact, ids: list[int]) -> np.ndarray:
    from pare.training.decoder import load_decoder

    with torch.no_grad():
        return load_decoder(artifact.path).eval()(input_ids=torch.tensor([ids])).logits[0].numpy()


def trimmed(ctx: BuildContext, folder: Path, tokens: int) -> tuple[Artifact, Artifact, dict[int, int]]:
    """The parent, the trimmed model, and the new ids by the old."""
    from tokenizers import Tokenizer

    parent = tiny_artifact(ctx, folder / "parent")
    method = TrimVocab(tokens=tokens, min_uses=1)
    made = method.apply(parent, ctx, folder / "out")
    old, new = (Tokenizer.from_file(str(a.path / "tokenizer.json")).get_vocab() for a in (parent, made))
    assert made.manifest.shape.max_length == parent.manifest.shape.max_length, "positions are no table"
    return parent, made, {old[token]: i for token, i in new.items()}


@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("qwen2", True), ("gemma2", True)])
def test_kept_tokens_get_the_logits_they_had(family: str, tied: bool, tmp_path: Path) -> None:
    from pare.runtimes.causal import Prompts
    from pare.training.decoder import load_decoder

    ctx = tiny_writing(tmp_path, family)
    corpus = [s.text + s.label for s in ctx.train] + ["where is my card", "exchange rates please"] * 9
    tiny_decoder(ctx.base, family, corpus, tie_word_embeddings=tied)
    parent, made, new = trimmed(ctx, tmp_path, 290)
    counted = sum(part.elements for part in made.manifest.shape.parts)
    assert counted == sum(p.numel() for p in load_decoder(made.path).parameters())
    assert counted < sum(part.elements for part in parent.manifest.shape.parts)
    held = sorted(new)
    for sample in ctx.train[:6]:
        before, after = (Prompts(a.path, 40).turn(sample.text, sample.label) for a in (parent, made))
        assert [new[i] for i in before.ids] == after.ids
        was, now = logits(parent, before.ids)[:, held], logits(made, after.ids)[:, [new[i] for i in held]]
        np.testing.assert_allclose(now, was, atol=1e-5)


def test_answers_count_as_prompts_do(tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path)
    rows = [Sample(id="a", text="one", label=" two three four five six", unit="a")] * 2
    _, made, _ = trimmed(replace(ctx, train=rows), tmp_path, 275)
    from pare.runtimes.causal import Prompts

    assert len(Prompts(made.path, 40).turn("one", rows[0].label).ids) < 12, "the words of answers must stay whole"


def test_ends_and_beginnings_get_their_new_numbers_wherever_they_are_named(tmp_path: Path) -> None:
    ctx = tiny_writing(tmp_path)
    config = json.loads((ctx.base / "config.json").read_text())
    reserved = config["vocab_size"] - 1
    config["eos_token_id"] = [config["eos_token_id"], reserved]
    (ctx.base / "config.json").write_text(json.dumps(config))
    parent = tiny_artifact(ctx, tmp_path / "parent")
    generation = {"eos_token_id": [1, reserved], "pad_token_id": -1, "suppress_tokens": [2, 10**6], "top_k": 5}
    (parent.path / "generation_config.json").write_text(json.dumps(generation))
    (parent.path / "tokenizer.model").write_text("stale")
    table = {"added_tokens_decoder": {"1": {"content": "</s>"}, str(10**6): {"content": "gone"}}}
    (parent.path / "tokenizer_config.json").write_text(json.dumps(table))
    made = TrimVocab(tokens=1).apply(parent, ctx, tmp_path / "out")

    last = made.manifest.shape.vocabulary - 1
    assert last < reserved, "tokens were left out before it"
    read = {name: json.loads((made.path / name).read_text()) for name in sorted(made.manifest.files) if "json" in name}
    assert read["config.json"]["eos_token_id"] == [1, last]
    assert read["config.json"]["vocab_size"] == last + 1
    found = read["generation_config.json"]
    assert found == {"eos_token_id": [1, last], "pad_token_id": None, "suppress_tokens": [2], "top_k": 5}
    assert read["tokenizer_config.json"] == {"added_tokens_decoder": {"1": {"content": "</s>"}}}
    assert "tokenizer.model" not in made.manifest.files
