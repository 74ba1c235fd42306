"""MPNet (Song et al. 2020): BERT's layers, no token types, one table of relative position biases for all layers."""

from pare.families.base import Config, Family, Modules, Sizes, bert_like


def _sizes(config: Config) -> Sizes:
    biases = int(config.get("relative_attention_num_buckets", 32)) * int(config["num_attention_heads"])
    return bert_like(config, token_types=False, rest=biases)


MPNET = Family(
    name="mpnet",
    sizes=_sizes,
    layers="encoder.layer",
    words="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    modules=Modules(
        "attention.attn.q",
        "attention.attn.k",
        "attention.attn.v",
        "attention.attn.o",
        ("intermediate.dense",),
        "output.dense",
    ),
    position_offset=2,
    has_pooler=True,
    head_table="encoder.relative_attention_bias",
)
