"""The weights of a decoder as llama.cpp reads them: its names, and what differs between the two worlds.

That is little. Llama's queries and keys are permuted, because ggml rotates neighbouring numbers and transformers rotates
halves. Gemma's norms get the 1 that its modules add. The scale of Gemma's queries, which llama.cpp takes from the width of a
head, is folded into the weights where the config names another. What Llama 3 does to the frequencies is a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pare.errors import InputError

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES: Mapping[str, str] = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}
"""The family → llama.cpp's name for it."""

BIASES: Mapping[str, tuple[str, ...]] = {
    "llama": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    "qwen2": ("q_proj", "k_proj", "v_proj"),
}
"""The modules whose biases llama.cpp adds."""

Array = NDArray[Any]


def sizes_of(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """Heads of queries, heads of keys and values, numbers a head."""
    heads = int(config["num_attention_heads"])
    return (
        heads,
        int(config.get("num_key_value_heads") or heads),
        int(config.get("head_dim") or config["hidden_size"] // heads),
    )


def tensors_of(module: nn.Module, family: str, config: Mapping[str, Any]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The tensors by their names in the file, (rows, columns), as llama.cpp reads them.

    Raises InputError for a tensor that the file has no place for (factors of a matrix, a bias that llama.cpp does not add).
    """
    import gguf

    architecture = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == ARCHITECTURES[family])
    names = gguf.get_tensor_name_map(architecture, int(config["num_hidden_layers"]))
    change = _changes(family, config)
    if config["rope_parameters"].get("rope_type") == "llama3":
        yield "rope_freqs.weight", _stretch(module, config)
    for path, weight in module.state_dict().items():
        if path == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        name = names.get_name(path, try_suffixes=(".weight", ".bias"))
        biased = path.endswith(".bias") and path.split(".")[-2] not in BIASES.get(family, ())
        if name is None or biased:
            raise InputError(f"{path} has no place in a GGUF file of {family}; lower the model to openvino")
        yield name, change(path, weight.float().numpy())


def _stretch(module: nn.Module, config: Mapping[str, Any]) -> NDArray[np.float32]:
    """By how much each frequency is slowed, (head_dim / 2,): the module's own against the plain ones."""
    head_dim = sizes_of(config)[2]
    plain = float(config["rope_parameters"]["rope_theta"]) ** -(np.arange(0, head_dim, 2) / head_dim)
    slowed: Array = module.model.rotary_emb.inv_freq.double().numpy()
    return (plain / slowed).astype(np.float32)


def _changes(family: str, config: Mapping[str, Any]) -> Callable[[str, Array], Array]:
    """What is done to a tensor between the two worlds, by its path in transformers."""
    heads, kv_heads, head_dim = sizes_of(config)
    if family == "llama":

        def permuted(path: str, weight: Array) -> Array:
            module = path.split(".")[-2]
            return (
                permute(weight, heads if module == "q_proj" else kv_heads) if module in ("q_proj", "k_proj") else weight
            )

        return permuted
    if not family.startswith("gemma"):
        return lambda path, weight: weight
    scale = 1.0
    if family != "gemma":
        # llama.cpp knows the 27B models, which scale otherwise, by their layers.
        large = config["num_hidden_layers"] == {"gemma2": 46, "gemma3_text": 62}[family]
        engine = config["hidden_size"] // heads if large else head_dim
        scale = math.sqrt(engine / config["query_pre_attn_scalar"])
    scaled = "q_norm.weight" if family == "gemma3_text" else "q_proj.weight"

    def changed(path: str, weight: Array) -> Array:
        if path.endswith("norm.weight"):
            weight = weight + np.float32(1.0)
        return weight * np.float32(scale) if path.endswith(scaled) else weight

    return changed


def permute(weight: Array, heads: int) -> Array:
    """Rows (or a bias) of queries or keys from halves that rotate together to neighbours: row i of a head's first half
    goes to 2i, row i of its second half to 2i + 1.
    """
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)
