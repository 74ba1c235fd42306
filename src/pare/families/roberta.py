"""RoBERTa (Liu et al. 2019): BERT's layers, positions counted from the padding id on, byte-level BPE."""

from pare.families.base import BERT_MODULES, Family, bert_like

ROBERTA = Family(
    name="roberta",
    sizes=bert_like,
    layers="encoder.layer",
    words="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    modules=BERT_MODULES,
    position_offset=2,
    token_types=True,
    has_pooler=True,
)
