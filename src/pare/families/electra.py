"""ELECTRA (Clark et al. 2020): BERT's layers, embeddings that may be narrower and are then projected."""

from pare.families.base import BERT_MODULES, Config, Family, Sizes, bert_like


def _sizes(config: Config) -> Sizes:
    width, embedding = int(config["hidden_size"]), int(config.get("embedding_size", config["hidden_size"]))
    products = width * embedding if width != embedding else 0
    rest = products + width if products else 0
    return bert_like(config, embedding="embedding_size", rest=rest, rest_products=products)


ELECTRA = Family(
    name="electra",
    sizes=_sizes,
    layers="encoder.layer",
    words="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    modules=BERT_MODULES,
    pooling="cls",
    token_types=True,
    projection="embeddings_project",
)
