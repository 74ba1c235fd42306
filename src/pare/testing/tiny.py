"""Random encoders and decoders of a few thousand parameters, with real tokenizers, in Hugging Face form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

_CORPUS = ["where is my card", "i lost my phone", "top up failed again", "exchange rates please"]
WIDTH, INNER, LAYERS, HEADS, POSITIONS = 16, 32, 3, 2, 64


def tiny_encoder(folder: Path, family: str = "bert", words: Sequence[str] = (), *, seed: int = 0) -> Path:
    """Writes ``config.json``, ``model.safetensors`` and ``tokenizer.json`` of a random model; gives ``folder``.

    ``words`` is the corpus the tokenizer is trained on. Needs torch and transformers.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer(family, words)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, **_config(family, tokenizer))
    AutoModel.from_config(config).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return folder


def tiny_decoder(folder: Path, family: str = "llama", words: Sequence[str] = (), *, seed: int = 0, **more: Any) -> Path:
    """``tiny_encoder`` for a decoder: ``more`` are entries of its config (``tie_word_embeddings`` and the like)."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = plain_bpe(list(words) or _CORPUS, 400)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    end = tokenizer.token_to_id("</s>")
    config = {
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": POSITIONS,
        "pad_token_id": end,
        "bos_token_id": tokenizer.token_to_id("<s>"),
        "eos_token_id": end,
        "hidden_size": 2 * WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2 * HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": 8,
    }
    if family.startswith("gemma"):
        config |= {"sliding_window": 16, "query_pre_attn_scalar": 8}
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **(config | more)))
    made.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    return folder


def tiny_tokenizer(family: str, words: Sequence[str], size: int = 400) -> Tokenizer:
    """The family's kind of tokenizer (WordPiece, byte-level BPE or Unigram), trained on ``words``."""
    corpus = list(words) or _CORPUS
    return _TOKENIZERS.get(family, _wordpiece)(corpus, size)


def _wordpiece(corpus: Sequence[str], size: int) -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(
        corpus, trainers.WordPieceTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    )
    return _framed(made, "[CLS]", "[SEP]")


def _bytes_bpe(corpus: Sequence[str], size: int) -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        corpus,
        trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    return _framed(made, "<s>", "</s>")


def plain_bpe(corpus: Sequence[str], size: int) -> Tokenizer:
    """Byte-level BPE as decoders have it: nothing is put around a text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<s>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(corpus, trainer)
    return made


def pieces_bpe(corpus: Sequence[str], size: int) -> Tokenizer:
    """BPE over characters with spaces marked, as Llama and Gemma have it: what is not in the vocabulary falls into bytes.

    ``size`` counts what is beside the 256 bytes.
    """
    made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>"]
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=size + 256, special_tokens=[*special, *fallback], show_progress=False)
    made.train_from_iterator(corpus, trainer)
    held = json.loads(made.to_str())
    held["added_tokens"] = [token for token in held["added_tokens"] if token["content"] in special]
    return Tokenizer.from_str(json.dumps(held))


def marked_bpe(merges: Sequence[tuple[str, str]], *, every_byte: bool = True, prefix: bool = True) -> Tokenizer:
    """SentencePiece's BPE as Llama 2 (``prefix``: a space before a text) and Gemma have it: ▁ for spaces, tokens that are
    bytes, the letters of "one two", then what is merged, in order.
    """
    listed = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256 if every_byte else 0)), *"▁onetw"]
    listed += ["".join(pair) for pair in merges]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(listed))}
    rule = models.BPE(vocab=vocabulary, merges=list(merges), unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    made = Tokenizer(rule)
    spaces = normalizers.Replace(" ", "▁")
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prefix else spaces
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.add_special_tokens(["<s>", "</s>"])
    made.add_tokens([AddedToken("▁▁x", normalized=False)])
    return made


def _unigram(corpus: Sequence[str], size: int) -> Tokenizer:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=special, unk_token="<unk>", show_progress=False)
    made.train_from_iterator(corpus, trainer)
    return _framed(made, "<s>", "</s>")


def _framed(made: Tokenizer, first: str, last: str) -> Tokenizer:
    ids = [(name, made.token_to_id(name)) for name in (first, last)]
    made.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=ids)
    return made


_TOKENIZERS: Mapping[str, Callable[[Sequence[str], int], Tokenizer]] = {
    "roberta": _bytes_bpe,
    "modernbert": _bytes_bpe,
    "xlm-roberta": _unigram,
}


def _config(family: str, tokenizer: Tokenizer) -> dict[str, Any]:
    pad = next(i for name in ("[PAD]", "<pad>") if (i := tokenizer.token_to_id(name)) is not None)
    common: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": POSITIONS,
        "pad_token_id": pad,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    if family == "distilbert":
        return {**common, "dim": WIDTH, "hidden_dim": INNER, "n_layers": LAYERS, "n_heads": HEADS}
    usual = {
        **common,
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
    }
    if family == "electra":
        # A narrow random embedding of small weights behind its projection would learn by luck only.
        return {**usual, "embedding_size": WIDTH + WIDTH // 2, "initializer_range": 0.2, "type_vocab_size": 2}
    if family == "modernbert":
        return {**usual, "cls_token_id": None, "sep_token_id": None}
    return usual if family == "mpnet" else {**usual, "type_vocab_size": 2}
