"""BERT (Devlin et al. 2018), MiniLM and most sentence-transformers among them."""

from pare.families.base import BERT_MODULES, Family, bert_like

BERT = Family(
    name="bert",
    sizes=bert_like,
    layers="encoder.layer",
    words="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    modules=BERT_MODULES,
    token_types=True,
    has_pooler=True,
)
