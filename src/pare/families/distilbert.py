"""DistilBERT (Sanh et al. 2019): BERT's layers under other names, no token types, no pooler."""

from pare.families.base import Config, Family, Modules, Sizes, bert_like


def _sizes(config: Config) -> Sizes:
    return bert_like(config, layers="n_layers", width="dim", inner="hidden_dim", token_types=False)


DISTILBERT = Family(
    name="distilbert",
    sizes=_sizes,
    layers="transformer.layer",
    words="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    layers_key="n_layers",
    width_key="dim",
    inner_key="hidden_dim",
    heads_key="n_heads",
    modules=Modules(
        "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", ("ffn.lin1",), "ffn.lin2"
    ),
)
