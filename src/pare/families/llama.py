"""Llama (Touvron et al. 2023), TinyLlama, SmolLM and most small decoders among them."""

from pare.families.base import LLAMA_MODULES, Family, llama_like

LLAMA = Family(
    name="llama",
    sizes=llama_like,
    layers="model.layers",
    words="model.embed_tokens",
    positions=None,
    modules=LLAMA_MODULES,
    decoder=True,
    head="lm_head",
)
