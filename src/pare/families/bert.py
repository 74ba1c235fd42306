"""BERT (Devlin et al. 2018), MiniLM and most sentence-transformers among them."""

from pare.families.base import Family, bert_like

BERT = Family(
    name="bert",
    sizes=bert_like,
    layers="encoder.layer",
    words="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    token_types=True,
    has_pooler=True,
)
