"""PyTorch: a decoder as transformers runs it, fp32, with transformers' own masks and a cache that keeps all it reads.

The cache that transformers makes of a config forgets what is outside a ``sliding_window``, also where the model attends to
it (Gemma 1 with such an entry): the masks alone decide here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pare.errors import InputError
from pare.runtimes.causal import Prompts
from pare.runtimes.modules import read_module
from pare.runtimes.text import Ids, Logits
from pare.runtimes.writing import Step, Writer
from pare.types import Artifact


def load(artifact: Artifact, threads: int, facts: dict[str, str]) -> Writer:
    """The engine of a model folder. Raises InputError where it cannot be read."""
    import torch
    from transformers import DynamicCache

    try:
        module: Any = read_module(artifact.path, decoder=True).eval()
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{artifact.path} cannot be loaded ({str(error).splitlines()[0]}); build the artifact again"
        ) from None

    @contextmanager
    def session() -> Iterator[Step]:
        past = DynamicCache()

        def step(ids: Ids, mask: Ids, positions: Ids, keep: int) -> Logits:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                found = module(
                    input_ids=torch.from_numpy(ids),
                    attention_mask=torch.from_numpy(mask),
                    position_ids=torch.from_numpy(positions),
                    past_key_values=past,
                    use_cache=True,
                    logits_to_keep=keep,
                )
            logits: Logits = found.logits.numpy()
            return logits

        yield step

    prompts = Prompts(artifact.path, artifact.manifest.max_length)
    return Writer(prompts, session, artifact.manifest.shape.vocabulary, facts)
