"""What a family tells: sizes of its parts, and where they are in the torch module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pare.families.layers import windows_of
from pare.types import Part, Shape

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Parameter counts of a backbone, all elements (matrices with their biases and norms).

    ``attention_products`` and ``ffn_products`` are the elements of a layer that are multiplied with every token.
    """

    word: int
    position: int
    type_and_norm: int
    attention: tuple[int, ...]
    ffn: tuple[int, ...]
    attention_products: int
    ffn_products: int
    rest: int
    rest_products: int = 0


@dataclass(frozen=True, slots=True)
class Modules:
    """Where a layer's linear modules are: paths inside the layer. Query, key and value are one path where they are fused.

    ``up`` are the modules that widen (the gate first, where there is one and it is a module of its own). ``gated``: a
    feed-forward of three matrices, whichever way they are stored.
    """

    query: str
    key: str
    value: str
    output: str
    up: tuple[str, ...]
    down: str
    gated: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path once, attention first."""
        return tuple(dict.fromkeys([self.query, self.key, self.value, self.output, *self.up, self.down]))

    @property
    def by_input(self) -> tuple[tuple[str, ...], ...]:
        """The same paths, those together that read the same input."""
        queries = tuple(dict.fromkeys([self.query, self.key, self.value]))
        return queries, (self.output,), self.up, (self.down,)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A layer's linear module as ``Shape`` predicts it: its path inside the layer, the part that counts it, and its size.
    A product takes ``columns`` numbers in and gives ``rows``.
    """

    path: str
    part: Literal["attention", "ffn"]
    rows: int
    columns: int


@dataclass(frozen=True)
class Family:
    """An architecture. Paths are attribute paths in the module that ``AutoModel`` gives, ``AutoModelForCausalLM`` where the
    family is a ``decoder``; so are the names of weights in its files.

    ``sizes`` counts the parameters of a config. ``layers_key`` and ``width_key`` are the config's names for them.
    ``position_offset`` is the number of leading rows in the position table that no token uses. ``positions`` is None where
    positions are not a table (rotary). ``pooling`` is the default where the folder does not say. ``min_layers``: the fewest
    that transformers can load. ``fixed_first``: the first layer is made unlike the others, so that no other can take its
    place. ``modules`` are those of one layer, ``head`` the path of a decoder's output head, which is
    ``tied`` to the word embeddings where the config does not say. ``head_table`` is a table with a column a head that all
    layers share, ``projection`` what widens embeddings that are narrower than the model.
    """

    name: str
    sizes: Callable[[Config], Sizes]
    layers: str
    words: str
    positions: str | None
    modules: Modules
    layers_key: str = "num_hidden_layers"
    width_key: str = "hidden_size"
    inner_key: str = "intermediate_size"
    heads_key: str = "num_attention_heads"
    position_offset: int = 0
    pooling: Literal["mean", "cls"] = "mean"
    token_types: bool = False
    has_pooler: bool = False
    min_layers: int = 1
    fixed_first: bool = False
    decoder: bool = False
    head: str | None = None
    tied: bool = False
    head_table: str | None = None
    projection: str | None = None

    def shape(self, config: Config, classes: int, *, each_token: bool = False) -> Shape:
        """The anatomy of a model. An encoder has a linear head of ``classes`` on its backbone, and no pooler; a decoder has
        its own head over the vocabulary, which weighs nothing where it is tied to the word embeddings.

        ``each_token``: the head reads every token's state, not one state for the text.
        """
        sizes = self.sizes(config)
        width, heads = int(config[self.width_key]), int(config[self.heads_key])
        head_dim = int(config.get("head_dim") or width // heads)
        parts = [
            Part("embeddings.word", sizes.word),
            Part("embeddings.position", sizes.position),
            Part("embeddings.rest", sizes.type_and_norm),
        ]
        for i, (attention, ffn) in enumerate(zip(sizes.attention, sizes.ffn, strict=True)):
            parts.append(Part(f"layers.{i}.attention", attention, flops_per_token=2.0 * sizes.attention_products))
            parts.append(Part(f"layers.{i}.ffn", ffn, flops_per_token=2.0 * sizes.ffn_products))
        if sizes.rest:
            parts.append(Part("rest", sizes.rest, flops_per_token=2.0 * sizes.rest_products))
        if self.decoder:
            product = int(config["vocab_size"]) * width
            tied = bool(config.get("tie_word_embeddings", self.tied))
            parts.append(Part("head", 0 if tied else product, flops_per_token=2.0 * product))
        else:
            work = 2.0 * width * classes
            a_token, a_request = (work, 0.0) if each_token else (0.0, work)
            parts.append(Part("head", (width + 1) * classes, flops_per_token=a_token, flops_per_request=a_request))
        layers = len(sizes.attention)
        return Shape(
            family=self.name,
            parts=tuple(part for part in parts if part.elements or part.name == "head"),
            layers=layers,
            width=width,
            vocabulary=int(config["vocab_size"]),
            max_length=int(config["max_position_embeddings"]) - self.position_offset,
            attention_flops=4.0 * layers * heads * head_dim,
            inner=int(config[self.inner_key]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_dim=head_dim,
            windows=windows_of({**config, "model_type": self.name}, layers),
        )

    def matrices(self, shape: Shape) -> tuple[Matrix, ...]:
        """The linear modules of one layer, as wide as ``shape`` says, in the order of ``modules.paths``."""
        m, width, inner = self.modules, shape.width, shape.inner
        queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        sizes: dict[str, Matrix] = {}
        for path, rows in ((m.query, queries), (m.key, keys), (m.value, keys)):
            known = sizes[path].rows if path in sizes else 0
            sizes[path] = Matrix(path, "attention", known + rows, width)
        sizes[m.output] = Matrix(m.output, "attention", width, queries)
        for path in m.up:
            sizes[path] = Matrix(path, "ffn", inner * (2 if m.gated else 1) // len(m.up), width)
        sizes[m.down] = Matrix(m.down, "ffn", width, inner)
        return tuple(sizes.values())


def bert_like(
    config: Config,
    *,
    layers: str = "num_hidden_layers",
    width: str = "hidden_size",
    inner: str = "intermediate_size",
    embedding: str | None = None,
    token_types: bool = True,
    rest: int = 0,
    rest_products: int = 0,
) -> Sizes:
    """The post-norm transformer of Devlin et al. (2018): four matrices of attention, two of feed-forward, with biases."""
    h, i, n = int(config[width]), int(config[inner]), int(config[layers])
    e = int(config.get(embedding, h)) if embedding else h
    types = int(config.get("type_vocab_size", 0)) if token_types else 0
    return Sizes(
        word=int(config["vocab_size"]) * e,
        position=int(config["max_position_embeddings"]) * e,
        type_and_norm=types * e + 2 * e,
        attention=(4 * (h * h + h) + 2 * h,) * n,
        ffn=(2 * h * i + i + h + 2 * h,) * n,
        attention_products=4 * h * h,
        ffn_products=2 * h * i,
        rest=rest,
        rest_products=rest_products,
    )


BERT_MODULES = Modules(
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    ("intermediate.dense",),
    "output.dense",
)
"""Where BERT and what is modelled on it have a layer's linear modules."""

LLAMA_MODULES = Modules(
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down_proj",
    gated=True,
)


def llama_like(
    config: Config, *, biased: tuple[str, ...] | None = None, norms: int = 2, head_norms: bool = False
) -> Sizes:
    """The pre-norm transformer of Touvron et al. (2023): grouped queries, rotary positions, gated feed-forward, RMS norms.

    ``biased`` names the attention's matrices with a bias (``qkvo``); None reads ``attention_bias``. ``norms`` is how many
    norms of the model's width a layer has, and ``head_norms`` adds one each for queries and keys.
    """
    h, i, n = int(config["hidden_size"]), int(config["intermediate_size"]), int(config["num_hidden_layers"])
    heads = int(config["num_attention_heads"])
    d = int(config.get("head_dim") or h // heads)
    rows = {"q": heads * d, "k": int(config.get("num_key_value_heads") or heads) * d}
    rows |= {"v": rows["k"], "o": h}
    if biased is None:
        biased = tuple("qkvo") if config.get("attention_bias", False) else ()
    products = h * (rows["q"] + rows["k"] + rows["v"]) + rows["q"] * h
    ffn_bias = 2 * i + h if config.get("mlp_bias", False) else 0
    half = norms // 2 * h
    return Sizes(
        word=int(config["vocab_size"]) * h,
        position=0,
        type_and_norm=0,
        attention=(products + sum(rows[name] for name in biased) + half + (2 * d if head_norms else 0),) * n,
        ffn=(3 * h * i + ffn_bias + half,) * n,
        attention_products=products,
        ffn_products=3 * h * i,
        rest=h,
    )
