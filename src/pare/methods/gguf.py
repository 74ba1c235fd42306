"""A decoder as one GGUF file, the format of llama.cpp and what is built on it: metadata, tokenizer and weights.

The Hugging Face converter is in no package, so the file is written here, for the families that are known to be right. What
differs in the weights is in ``gguf_weights``, the tokenizer in ``gguf_vocab``. Anything that the file could not say (a
scaling of positions, a bias, an activation) is refused.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError, MissingExtra, PareError
from pare.families import FAMILIES, family_of, read_config
from pare.families.factors import is_factored
from pare.methods.base import BuildContext
from pare.methods.gguf_vocab import Vocabulary, read_vocabulary
from pare.methods.gguf_weights import ARCHITECTURES, sizes_of, tensors_of
from pare.methods.lineage import seal_child
from pare.runtimes import load_generator
from pare.runtimes.llamacpp import MODEL
from pare.runtimes.modules import read_module
from pare.types import Artifact, Shape

Width = Literal["f32", "f16", "q8_0", "q4_0"]
BITS: Mapping[str, float] = {"f32": 32.0, "f16": 16.0, "q8_0": 8.5, "q4_0": 4.5}
"""Bits a weight: a block of 32 shares a scale of 16 bits (ggml's Q8_0 and Q4_0)."""
BLOCK = 32
TOLERANCE = 2e-3
"""The largest difference of an answer's bits, relative to them, that 16-bit weights and another order of sums explain."""


def width_of(name: str, columns: int, width: Width) -> Width:
    """How a matrix is stored: in ``width`` where its rows are whole blocks, else in f16.

    Word embeddings and the head stay at 8 bits or more, as in llama.cpp's own Q4_0: every token passes through them.
    """
    if width in ("q8_0", "q4_0") and columns % BLOCK:
        return "f16"
    return "q8_0" if width == "q4_0" and name in ("token_embd.weight", "output.weight") else width


def gguf_shape(shape: Shape, width: Width) -> Shape:
    """The anatomy of the file: matrices at the bits of their width, norms and biases at 32. Raises InputError where they are
    low-rank factors, for which GGUF has no names.
    """
    if is_factored(shape):
        raise InputError("GGUF has no place for low-rank factors but the matrices are factored; use lower:openvino")
    family = family_of({"model_type": shape.family})
    cells: dict[str, float] = {}
    for matrix in family.matrices(shape):
        bits = BITS[width_of(matrix.path, matrix.columns, width)]
        cells[matrix.part] = cells.get(matrix.part, 0.0) + matrix.rows * matrix.columns * (bits - 32.0)
    wide = BITS[width_of("token_embd.weight", shape.width, width)]
    parts = []
    for part in shape.parts:
        kind = part.name.rpartition(".")[2]
        bits = part.bits
        if part.name in ("embeddings.word", "head"):
            bits = wide
        elif kind in cells and part.elements:
            bits = 32.0 + cells[kind] / part.elements
        parts.append(replace(part, bits=bits))
    return replace(shape, parts=tuple(parts))


def lower_gguf(parent: Artifact, ctx: BuildContext, out: Path, width: Width, lineage: Mapping[str, Any]) -> Artifact:
    """Writes an artifact of format ``decoder`` as one of format ``gguf``: the file, the tokenizer and the config.

    Unless the weights are quantised, llama.cpp's surprisal at answers of train is compared with PyTorch's. Raises PareError
    where they differ, and what ``write_gguf`` raises.
    """
    ctx.progress(0.0, f"lowering to gguf, {width}")
    notes = write_gguf(parent.path, out / MODEL, width=width)
    for name in ("tokenizer.json", "config.json"):
        shutil.copyfile(parent.path / name, out / name)
    artifact = seal_child(parent, out, gguf_shape(parent.manifest.shape, width), lineage, format="gguf")
    if width in ("f32", "f16"):
        _check(
            parent, artifact, [(sample.text, sample.label) for sample in ctx.train[:3]] or [("", "a b c")], ctx.threads
        )
    ctx.progress(1.0, "; ".join(["lowered to gguf", *notes]))
    return artifact


def write_gguf(folder: Path, out: Path, *, width: Width = "f16") -> tuple[str, ...]:
    """Writes the decoder in ``folder`` (config, weights, tokenizer) as the file ``out``; the same folder, the same bytes.

    Norms and biases are f32. Gives what a user should know: matrices that stay at f16 because their rows are no multiple of
    32, and a tokenizer that llama.cpp may read otherwise. Raises InputError where the file could not say what the model
    does, and MissingExtra without the package gguf.
    """
    try:
        import gguf
    except ImportError:
        raise MissingExtra("gguf", "gguf", "writing GGUF") from None
    family = family_of(read_config(folder)).name
    if family not in ARCHITECTURES:
        known = ", ".join(name for name in FAMILIES if name in ARCHITECTURES)
        raise InputError(f"GGUF is written for decoders ({known}), not for {family}; lower it to openvino")
    module = read_module(folder, decoder=True)
    config = module.config.to_dict()
    _refuse(family, config)
    vocabulary = read_vocabulary(folder, int(config["vocab_size"]))
    writer = gguf.GGUFWriter(None, ARCHITECTURES[family])
    _describe(writer, family, config, width)
    _speak(writer, vocabulary, _chat_template(folder))
    kept = []
    for name, weight in tensors_of(module, family, config):
        stored = "f32" if weight.ndim == 1 else width_of(name, weight.shape[-1], width)
        if weight.ndim > 1 and stored == "f16" != width:
            kept.append(name)
        kind = gguf.GGMLQuantizationType[stored.upper()]
        writer.add_tensor(name, gguf.quantize(np.ascontiguousarray(weight), kind), raw_dtype=kind)
    writer.write_header_to_file(out)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    notes = []
    if kept:
        notes.append(f"{len(kept)} matrices stay f16, whose rows are no multiple of {BLOCK} ({kept[0]} and the like)")
    if not vocabulary.same:
        notes.append("llama.cpp may cut some texts into other tokens than tokenizer.json does; pare gives it token ids")
    return tuple(notes)


def _check(parent: Artifact, child: Artifact, pairs: Sequence[tuple[str, str]], threads: int) -> None:
    """Compares how many bits answers cost."""
    found, expected = (_surprisal(artifact, pairs, threads) for artifact in (child, parent))
    worst = float((np.abs(found - expected) / np.maximum(1.0, expected)).max())
    if not worst <= TOLERANCE:
        raise PareError(
            f"answers cost up to {worst:.2%} more or fewer bits in llama.cpp than in PyTorch, more than rounding explains; "
            f"this model does not lower to GGUF faithfully: lower it to openvino"
        )


def _surprisal(artifact: Artifact, pairs: Sequence[tuple[str, str]], threads: int) -> NDArray[np.float64]:
    engine = load_generator(artifact, threads=threads)
    try:
        return engine.surprisal(pairs)
    finally:
        engine.close()


def _refuse(family: str, config: Mapping[str, Any]) -> None:
    """Raises InputError for what a config may ask of these families and llama.cpp does not do."""
    gemma = family.startswith("gemma")
    rules: dict[str, tuple[Any, ...]] = {
        "hidden_activation" if "hidden_activation" in config else "hidden_act": ("gelu_pytorch_tanh",)
        if gemma
        else ("silu",),
        "use_bidirectional_attention": (None, False),
        "partial_rotary_factor": (None, 1.0),
    }
    if family in ("gemma", "gemma2"):
        rules["tie_word_embeddings"] = (True,)
    if family == "gemma3_text":
        rules |= {"attn_logit_softcapping": (None,), "final_logit_softcapping": (None,)}
    for key, allowed in rules.items():
        if config.get(key) not in allowed:
            raise InputError(
                f"llama.cpp runs {family} with {key} {allowed[-1]} but this model has {config.get(key)}; "
                "lower it to openvino"
            )
    if family == "gemma2" and not (config["attn_logit_softcapping"] and config["final_logit_softcapping"]):
        raise InputError("llama.cpp always caps the logits of gemma2, and this model does not; lower it to openvino")
    if family not in ("gemma2", "gemma3_text") and "sliding_attention" in (config.get("layer_types") or ()):
        raise InputError(f"llama.cpp has no sliding window for {family}, and this model has one; lower it to openvino")


def _describe(writer: Any, family: str, config: Mapping[str, Any], width: Width) -> None:
    """The metadata of the architecture."""
    import gguf

    heads, kv_heads, head_dim = sizes_of(config)
    writer.add_file_type(
        {
            "f32": gguf.LlamaFileType.ALL_F32,
            "f16": gguf.LlamaFileType.MOSTLY_F16,
            "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
            "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0,
        }[width]
    )
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config["rope_parameters"]
    local = rope
    if family == "gemma3_text":
        local, rope = rope["sliding_attention"], rope["full_attention"]
    _scale(writer, family, rope)
    if family == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if family in ("gemma2", "gemma3_text"):
        period = _period(config["layer_types"])
        writer.add_sliding_window(config["sliding_window"] if period else config["max_position_embeddings"])
        writer.add_sliding_window_pattern(period or 2)
        if family == "gemma3_text" and local["rope_type"] != "default" and period:
            raise InputError(f"llama.cpp does not scale the positions of local attention, here {local['rope_type']!r}")
        writer.add_rope_freq_base_swa(float((local if period else rope)["rope_theta"]))


def _scale(writer: Any, family: str, rope: Mapping[str, Any]) -> None:
    """The base of the positions' frequencies and how they are scaled; what llama 3 does to them is a tensor."""
    import gguf

    kind = rope["rope_type"]
    if kind not in ("default", "linear") and (kind, family) != ("llama3", "llama"):
        raise InputError(f"positions of {family} scaled by {kind!r} have no place in GGUF here; lower it to openvino")
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))


def _period(kinds: list[str]) -> int:
    """The p for which all but every p-th layer attend in a window, as llama.cpp counts them; 0 where none does.

    Raises InputError where the layers do not alternate like that.
    """
    local = [kind == "sliding_attention" for kind in kinds]
    if not any(local):
        return 0
    for period in range(2, len(local) + 2):
        if local == [layer % period < period - 1 for layer in range(len(local))]:
            return period
    raise InputError(
        f"llama.cpp needs every p-th layer to attend globally but these are {', '.join(kinds)}; keep openvino"
    )


def _speak(writer: Any, vocabulary: Vocabulary, template: str | None) -> None:
    """The metadata of the tokenizer."""
    import gguf

    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.types))
    if vocabulary.model == "llama":
        writer.add_token_scores(list(vocabulary.scores))
        writer.add_add_space_prefix(vocabulary.space_prefix)
    else:
        writer.add_token_merges(list(vocabulary.merges))
    writer.add_add_bos_token(vocabulary.begin is not None)
    writer.add_add_eos_token(False)
    if vocabulary.begin is not None:
        writer.add_bos_token_id(vocabulary.begin)
    for key, end in zip((gguf.Keys.Tokenizer.EOS_ID, gguf.Keys.Tokenizer.EOT_ID), vocabulary.ends, strict=False):
        writer.add_uint32(key, end)
    if vocabulary.unknown is not None:
        writer.add_unk_token_id(vocabulary.unknown)
    if template:
        writer.add_chat_template(template)


def _chat_template(folder: Path) -> str | None:
    file, settings = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = json.loads(settings.read_bytes()).get("chat_template") if settings.is_file() else None
    return found if isinstance(found, str) else None
