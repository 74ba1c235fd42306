"""llama.cpp inside this process (xllamacpp): serves the format ``gguf``, one file of weights with its metadata.

It is asked in token ids, which ``Prompts`` makes as for every other runtime, so that the tokenizer inside the file does not
matter here. Its interface completes prompts; it tells neither the probabilities of a prompt nor, where a token ends inside a
character, which token it chose. Both follow exactly from one question a token: what would you say after these ids, if a bias
of the logits made you say token t? The log-probabilities in the answer are of the logits before the bias, over the whole
vocabulary: that of t is the surprisal, the first of the list is the greedy choice. What came before stays in the cache, so
that a question is the work of one token, and a few tenths of a millisecond of its own.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pare.errors import InputError, MissingExtra, PareError
from pare.runtimes.base import Generator
from pare.runtimes.causal import Prompts, Turn
from pare.runtimes.writing import Step, Writer
from pare.types import Artifact, Device, Support

MODEL = "model.gguf"
FORCE = 1e6
"""A bias that decides: no logit comes near it."""


class LlamaCpp:
    """The runtime of the format ``gguf``: ``model.gguf``, ``tokenizer.json`` and ``config.json``."""

    name = "llamacpp"

    def supports(self, artifact: Artifact, device: Device) -> Support:
        form = artifact.manifest.format
        return Support(True) if form == "gguf" else Support(False, f"it serves the format gguf, not {form}")

    def load(self, artifact: Artifact, device: Device, threads: int) -> Generator:
        try:
            import xllamacpp
        except ImportError:
            raise MissingExtra("xllamacpp", "gguf", "running GGUF") from None
        manifest = artifact.manifest
        width = str(manifest.lineage.get("step", {}).get("params", {}).get("width", ""))
        held = server(artifact.path / MODEL, manifest.max_length, threads, exact=width == "f32")
        prompts = Prompts(artifact.path, manifest.max_length)
        facts = {
            "runtime": f"llama.cpp (xllamacpp {xllamacpp.__version__})",
            "precision": width,
            "threads": str(threads),
        }
        return LlamaCppEngine(held, prompts, manifest.shape.vocabulary, facts)


class LlamaCppEngine(Writer):
    """A loaded file. It answers one text at a time; several prompts are answered one after the other."""

    def __init__(self, server: Any, prompts: Prompts, vocabulary: int, facts: Mapping[str, str]) -> None:
        super().__init__(prompts, _no_session, vocabulary, facts)
        self._server = server
        self._plain = _plain_token(prompts.tokenizer)

    def tokens(self, rows: Sequence[Sequence[int]], most: int) -> Iterator[NDArray[np.int64]]:
        """The likeliest next token of each row, (rows,), ``most`` times, whatever the model thinks of an end."""
        texts = [list(row) for row in rows]
        for number in range(most):
            for text in texts:
                text.append(int(self._likeliest(text, 1, anew=number == 0)[0]["id"]))
            yield np.array([text[-1] for text in texts], np.int64)

    def close(self) -> None:
        """Frees what the engine holds."""
        self._server = None

    def _bits(self, turns: Sequence[Turn]) -> NDArray[np.float64]:
        return np.array([sum(self._surprise(turn, place) for place in range(turn.start, turn.stop)) for turn in turns])

    def _answers(self, rows: Sequence[Sequence[int]], most: int) -> list[list[int]]:
        return [super(LlamaCppEngine, self)._answers([row], most)[0] for row in rows]

    def _surprise(self, turn: Turn, place: int) -> float:
        """-log2 of the probability of a turn's token after those before it."""
        ids, token, anew = turn.ids[:place], turn.ids[place], place == turn.start
        said = self._ask(ids, token, 1, anew=anew)
        if said is None:
            said = next(one for one in self._likeliest(ids, self._vocabulary, anew=anew) if one["id"] == token)
        return -float(said["logprob"]) / math.log(2.0)

    def _likeliest(self, ids: Sequence[int], most: int, *, anew: bool) -> list[Mapping[str, Any]]:
        """So many next tokens with their log-probabilities, the likeliest first."""
        said = self._ask(ids, self._plain, most, anew=anew)
        if said is None:
            raise PareError(f"llama.cpp says nothing of token {self._plain}; report this with the model")
        found: list[Mapping[str, Any]] = said["top_logprobs"]
        return found

    def _ask(self, ids: Sequence[int], token: int, most: int, *, anew: bool) -> Mapping[str, Any] | None:
        """What llama.cpp says of ``token`` after some ids; None where the token ends inside a character.

        ``anew``: they are read from the first on. Every text begins so, because sums over what another call has left in the
        cache are rounded otherwise.
        """
        answer = self._server.handle_completions(
            {
                "prompt": list(ids),
                "max_tokens": 1,
                "temperature": 0,
                "n_probs": most,
                "logit_bias": [[token, FORCE]],
                "cache_prompt": not anew,
            }
        )
        if "error" in answer:
            raise PareError(f"llama.cpp refused a request: {answer['error'].get('message', answer['error'])}")
        told = (answer["choices"][0].get("logprobs") or {}).get("content")
        return told[0] if told else None


def _no_session() -> AbstractContextManager[Step]:
    raise TypeError("llama.cpp gives no logits of a session: it is asked token by token")


def server(file: Path, length: int, threads: int, *, exact: bool = False, slots: int = 1) -> Any:
    """llama.cpp with ``slots`` of ``length`` tokens each. ``exact``: keys and values are kept in fp32, as in PyTorch.

    Its threads are counted for prompts and for tokens and do not spin, for spinning threads that share a core slow each
    other by orders of magnitude. The address that it opens on this machine is closed to all who lack a random key.
    Raises InputError where the file cannot be loaded.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = slots * (length + 1)
    params.n_parallel = slots
    params.n_gpu_layers = 0
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads = threads
        pool.poll = 0
    params.n_threads_http = 1
    params.api_keys = [secrets.token_hex(16)]
    params.ui = False
    params.fit_params = False
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = -1
    if exact:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise InputError(f"{file} cannot be loaded by llama.cpp ({error}); build the artifact again") from None


def _plain_token(tokenizer: Tokenizer) -> int:
    """The first token that is whole letters, so that llama.cpp always tells of it."""
    for number in range(tokenizer.get_vocab_size()):
        text = tokenizer.id_to_token(number) or ""
        if text.isascii() and text.isalpha():
            return number
    raise InputError(
        "the tokenizer has no token of plain letters, which llama.cpp needs to be asked; use another runtime"
    )
