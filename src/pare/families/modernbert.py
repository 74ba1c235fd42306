"""ModernBERT (Warner et al. 2024): rotary positions, pre-norm, gated feed-forward; the first layer has no attention norm.

Layers attend locally or globally, by turns; transformers reads no model that has one kind only, hence two layers at least.
"""

from pare.families.base import Config, Family, Modules, Sizes


def _sizes(config: Config) -> Sizes:
    h, i, n = int(config["hidden_size"]), int(config["intermediate_size"]), int(config["num_hidden_layers"])
    norm = h * (2 if config.get("norm_bias", False) else 1)
    attention = 4 * h * h + (4 * h if config.get("attention_bias", False) else 0)
    ffn = 3 * h * i + (2 * i + h if config.get("mlp_bias", False) else 0) + norm
    return Sizes(
        word=int(config["vocab_size"]) * h,
        position=0,
        type_and_norm=norm,
        attention=tuple(attention + (norm if layer else 0) for layer in range(n)),
        ffn=(ffn,) * n,
        attention_products=4 * h * h,
        ffn_products=3 * h * i,
        rest=norm,
    )


MODERNBERT = Family(
    name="modernbert",
    sizes=_sizes,
    layers="layers",
    words="embeddings.tok_embeddings",
    positions=None,
    modules=Modules("attn.Wqkv", "attn.Wqkv", "attn.Wqkv", "attn.Wo", ("mlp.Wi",), "mlp.Wo", gated=True),
    min_layers=2,
    fixed_first=True,
)
