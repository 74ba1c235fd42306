"""llama.cpp's server inside this process (xllamacpp), timed with several slots: sessions that it decodes in one batch.

pare's own engine asks it one text at a time (``runtimes.llamacpp``), so that a batch is not one there. Here each session is
a request of its own, sent from a thread of its own, and llama.cpp's clocks tell how long it read and wrote.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from pare.errors import InputError, PareError
from pare.runtimes.llamacpp import MODEL, server
from pare.types import Artifact


class Slots:
    """llama.cpp over an artifact of format ``gguf``. Use it as a context manager.

    ``most`` sessions of ``length`` tokens fit at once. Raises InputError where the artifact is of another form.
    """

    def __init__(self, artifact: Artifact, threads: int, most: int, length: int) -> None:
        if artifact.manifest.format != "gguf":
            raise InputError(
                f"llama.cpp takes an artifact of format gguf but {artifact.path} is of format "
                f"{artifact.manifest.format}; lower a decoder with lower:gguf"
            )
        self._artifact, self._threads, self._most, self._length = artifact, threads, most, length
        self._vocabulary, self._runs = artifact.manifest.shape.vocabulary, 0

    def __enter__(self) -> Slots:
        self._server = server(self._artifact.path / MODEL, self._length, self._threads, slots=self._most)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server = None

    def run(self, batch: int, prompt: int, new: int) -> tuple[float, float]:
        """Answers ``batch`` prompts of ``prompt`` random tokens side by side, ``new`` tokens each: (TTFT, ITL) in seconds,
        the longest and the mean over the sessions.
        """
        drawn = np.random.default_rng(self._runs).integers(2, self._vocabulary, (batch, prompt))
        self._runs += 1
        answers: list[Mapping[str, Any]] = [{} for _ in drawn]

        def ask(number: int) -> None:
            wanted = {"max_tokens": new, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
            answers[number] = self._server.handle_completions({"prompt": drawn[number].tolist(), **wanted})

        asking = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(batch)]
        for one in asking:
            one.start()
        for one in asking:
            one.join()
        return _figures(answers, new)


def _figures(answers: Sequence[Mapping[str, Any]], new: int) -> tuple[float, float]:
    """TTFT and ITL by the clocks in llama.cpp's answers. Raises PareError where a request was refused or cut."""
    told = [answer.get("timings") or {} for answer in answers]
    for answer, each in zip(answers, told, strict=True):
        if each.get("predicted_n") != new:
            why = answer.get("error", f"{each.get('predicted_n', 'no')} tokens of {new} came")
            raise PareError(f"llama.cpp did not answer a request ({why}); measure shorter ones")
    first = max(float(each["prompt_ms"]) for each in told)
    between = float(np.mean([float(each["predicted_ms"]) for each in told])) / (new - 1)
    return first / 1000, between / 1000
