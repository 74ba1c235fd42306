"""GGUF: the order of rows, the widths, the windows, and the tokenizer in llama.cpp's terms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from pare.errors import InputError
from pare.methods import method
from pare.methods.gguf import _period, gguf_shape, width_of
from pare.methods.gguf_vocab import BYTE, CONTROL, NORMAL, SPLITS, UNKNOWN, UNUSED, USER_DEFINED, read_vocabulary
from pare.methods.gguf_weights import permute
from pare.testing.tiny import marked_bpe, plain_bpe
from pare.types import Part, Shape, Step

WORDS = ["one two three four", "twenty tables, two chairs", "three threads"]


def _rotated(
    numbers: np.ndarray[Any, Any], angles: np.ndarray[Any, Any], first: Any, second: Any
) -> np.ndarray[Any, Any]:
    """The numbers of a head, pairs of them (``first``, ``second``) rotated."""
    out = numbers.copy()
    out[first] = numbers[first] * np.cos(angles) - numbers[second] * np.sin(angles)
    out[second] = numbers[second] * np.cos(angles) + numbers[first] * np.sin(angles)
    return out


def test_permuted_rows_rotate_as_neighbours_what_rotated_as_halves() -> None:
    rng = np.random.default_rng(0)
    heads, dim, width = 3, 8, 5
    weight, state, angles = rng.normal(size=(heads * dim, width)), rng.normal(size=width), rng.normal(size=dim // 2)
    halves, pairs = (slice(0, dim // 2), slice(dim // 2, dim)), (slice(0, dim, 2), slice(1, dim, 2))
    plain, ggml = (weight @ state).reshape(heads, dim), (permute(weight, heads) @ state).reshape(heads, dim)
    for head in range(heads):
        expected = _rotated(plain[head], angles, *halves)
        found = _rotated(ggml[head], angles, *pairs)
        assert np.allclose(found[0::2], expected[: dim // 2])
        assert np.allclose(found[1::2], expected[dim // 2 :])


def test_a_bias_is_permuted_like_its_rows() -> None:
    weight = np.arange(24.0).reshape(12, 2)
    assert np.array_equal(permute(weight, 2)[:, 0], permute(weight[:, 0], 2))


def test_rows_that_are_no_blocks_stay_f16_and_embeddings_keep_8_bits() -> None:
    assert width_of("blk.0.ffn_up.weight", 64, "q4_0") == "q4_0"
    assert width_of("blk.0.ffn_up.weight", 48, "q4_0") == "f16"
    assert width_of("blk.0.ffn_up.weight", 48, "f32") == "f32"
    assert width_of("token_embd.weight", 64, "q4_0") == "q8_0"
    assert width_of("output.weight", 48, "q8_0") == "f16"


def test_the_shape_counts_norms_at_32_bits() -> None:
    parts = (Part("embeddings.word", 320), Part("layers.0.ffn", 3 * 32 * 64 + 32), Part("rest", 32), Part("head", 0))
    shape = Shape("llama", parts, layers=1, width=32, inner=64, heads=4, kv_heads=2, head_dim=8)
    made = {part.name: part.bits * part.elements for part in gguf_shape(shape, "q8_0").parts}
    assert made == pytest.approx(
        {"embeddings.word": 320 * 8.5, "layers.0.ffn": 3 * 32 * 64 * 8.5 + 32 * 32, "rest": 32 * 32, "head": 0}
    )


def test_windows_alternate_as_llama_cpp_counts_them() -> None:
    local, whole = "sliding_attention", "full_attention"
    assert _period([local, whole, local]) == 2
    assert _period([local, local, whole, local]) == 3
    assert _period([local, local]) == 3
    assert _period([whole, whole]) == 0
    with pytest.raises(InputError, match="every p-th layer"):
        _period([whole, local])


def test_a_width_is_for_gguf_only() -> None:
    with pytest.raises(InputError, match="width is for gguf but to is openvino"):
        method(Step("lower", {"width": "q8_0"}))
    assert method(Step("lower", {"to": "gguf", "width": "q8_0"})).takes == ("decoder",)


def _saved(folder: Path, tokenizer: Tokenizer, config: Mapping[str, Any]) -> Path:
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_byte_level_bpe(tmp_path: Path) -> None:
    made = plain_bpe(WORDS, 300)
    made.add_tokens(["<call>"])
    size = made.get_vocab_size()
    found = read_vocabulary(_saved(tmp_path, made, {"bos_token_id": 0, "eos_token_id": [1, 2]}), size + 2)
    assert (found.model, found.pre, found.begin, found.ends, found.same) == ("gpt2", "gpt-2", 0, (1, 2), True)
    assert [made.token_to_id(token) for token in found.tokens[:size]] == list(range(size))
    assert found.tokens[size:] == (f"[PAD{size}]", f"[PAD{size + 1}]")
    assert found.types[:4] == (CONTROL, CONTROL, CONTROL, NORMAL)
    assert found.types[size - 1 :] == (USER_DEFINED, UNUSED, UNUSED)
    merges = json.loads(made.to_str())["model"]["merges"]
    assert found.merges == tuple(" ".join(pair) for pair in merges)
    assert found.scores == ()


@pytest.mark.parametrize(("split", "name"), SPLITS.items(), ids=SPLITS.values())
def test_the_cut_into_words_is_known_by_its_expression(split: str, name: str, tmp_path: Path) -> None:
    made = plain_bpe(WORDS, 280)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), level])
    assert read_vocabulary(_saved(tmp_path, made, {}), 400).pre == name
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split + "|x"), "isolated"), level])
    with pytest.raises(InputError, match="no tokenizer that prepares a text by Split, ByteLevel"):
        read_vocabulary(_saved(tmp_path, made, {}), 400)


def test_digits_one_by_one_are_smollm_s(tmp_path: Path) -> None:
    made = plain_bpe(WORDS, 280)
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), level])
    assert read_vocabulary(_saved(tmp_path, made, {}), 400).pre == "smollm"
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), level])
    with pytest.raises(InputError, match="prepares a text by Digits, ByteLevel"):
        read_vocabulary(_saved(tmp_path, made, {}), 400)


@pytest.mark.parametrize("model", [models.WordPiece({"[UNK]": 0}), models.Unigram()], ids=["WordPiece", "Unigram"])
def test_another_kind_of_tokenizer_is_refused(model: models.Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes a BPE tokenizer"):
        read_vocabulary(_saved(tmp_path, Tokenizer(model), {}), 400)


def test_more_tokens_than_embeddings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the model has 100 embeddings"):
        read_vocabulary(_saved(tmp_path, plain_bpe(WORDS, 300), {}), 100)


def test_sentencepiece_bpe(tmp_path: Path) -> None:
    made = marked_bpe([("o", "n"), ("on", "e"), ("o", "ne"), ("t", "w"), ("n", "e")])
    found = read_vocabulary(_saved(tmp_path, made, {"eos_token_id": 2}), made.get_vocab_size())
    assert (found.model, found.begin, found.unknown, found.space_prefix, found.merges) == ("llama", None, 0, True, ())
    assert found.types[:3] == (UNKNOWN, CONTROL, CONTROL)
    assert found.types[3:259] == (BYTE,) * 256
    score = {token: found.scores[made.token_to_id(token)] for token in ("on", "one", "tw", "t")}
    assert score["on"] > score["one"] > score["tw"] > score["t"]
    assert found.tokens[-1] == "  x"
    assert found.types[-1] == USER_DEFINED


def test_merges_by_token_or_by_pair(tmp_path: Path) -> None:
    by_token = [("o", "n"), ("n", "e"), ("on", "e"), ("o", "ne")]
    cases = {True: by_token, False: by_token[:3]}
    for same, merges in cases.items():
        made = marked_bpe(merges)
        assert read_vocabulary(_saved(tmp_path, made, {}), made.get_vocab_size()).same is same
    made = marked_bpe(by_token, every_byte=False)
    assert read_vocabulary(_saved(tmp_path, made, {}), made.get_vocab_size()).same is False


def test_a_token_that_the_tokenizer_begins_with_is_the_beginning(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    made = plain_bpe(WORDS, 280)
    made.post_processor = TemplateProcessing(single="<unk> $A", special_tokens=[("<unk>", 2)])
    assert read_vocabulary(_saved(tmp_path, made, {"eos_token_id": 1}), 400).begin == 2
    made.post_processor = TemplateProcessing(single="<unk> <s> $A", special_tokens=[("<unk>", 2), ("<s>", 0)])
    with pytest.raises(InputError, match="puts 2 tokens before a text"):
        read_vocabulary(_saved(tmp_path, made, {"eos_token_id": 1}), 400)
