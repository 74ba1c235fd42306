"""OpenVINO GenAI's continuous batching, timed: sessions whose next tokens one step makes, over paged keys and values.

It is measured on the graph that pare serves and with pare's options (exact floats, inputs of compressed layers quantised on
the fly, keys and values in f32). All prompts of a run are read in one step; each step after it makes one token a session.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Protocol

import numpy as np

from pare.errors import InputError, PareError
from pare.runtimes.openvino import options
from pare.types import Artifact

KV_BYTES = 4
"""Of a key or value kept in f32."""

Clock = Callable[[], float]


class Continuous:
    """A pipeline over an artifact of format ``openvino`` that generates. Use it as a context manager.

    ``most`` sessions of ``length`` tokens fit at once. Raises InputError where the artifact is of another form, and where
    the length is more than the model's; PareError where OpenVINO GenAI cannot load it.
    """

    def __init__(self, artifact: Artifact, threads: int, most: int, length: int) -> None:
        manifest = artifact.manifest
        if manifest.format != "openvino" or manifest.kind != "generate":
            raise InputError(
                f"continuous batching takes a decoder of format openvino but {artifact.path} is of format "
                f"{manifest.format} and kind {manifest.kind}; lower a decoder first"
            )
        if length > manifest.max_length:
            raise InputError(
                f"prompt and answer must fit the model's {manifest.max_length} tokens but are {length}; measure shorter ones"
            )
        self._artifact, self._threads, self._most, self._length = artifact, threads, most, length
        self._vocabulary, self._runs = manifest.shape.vocabulary, 0

    def __enter__(self) -> Continuous:
        import openvino_genai as genai

        shape = self._artifact.manifest.shape
        kept = 2 * shape.layers * shape.kv_heads * shape.head_dim * KV_BYTES
        settings = genai.SchedulerConfig()
        settings.max_num_seqs = self._most
        settings.max_num_batched_tokens = self._most * self._length
        settings.cache_size = 1 + int(1.2 * kept * self._most * self._length / 2**30)
        settings.enable_prefix_caching = False
        with TemporaryDirectory() as folder:
            for suffix in ("xml", "bin"):
                os.symlink(
                    (self._artifact.path / f"model.{suffix}").resolve(), Path(folder) / f"openvino_model.{suffix}"
                )
            given = options(self._threads) | {"KV_CACHE_PRECISION": "f32"}
            try:
                self._pipeline = genai.ContinuousBatchingPipeline(folder, settings, "CPU", given)
            except RuntimeError as error:
                raise PareError(f"OpenVINO GenAI refused the graph: {str(error).strip().splitlines()[-1]}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._pipeline

    def run(self, batch: int, prompt: int, new: int, clock: Clock = time.perf_counter) -> tuple[float, float]:
        """Answers ``batch`` prompts of ``prompt`` random tokens side by side, ``new`` tokens each: (TTFT, ITL) in seconds.

        An end token ends nothing, so that every run does the same work. Raises InputError where ``new`` is below 2.
        """
        if new < 2:
            raise InputError(f"a time between tokens needs at least 2 new tokens but there are {new}; ask for more")
        import openvino
        import openvino_genai as genai

        wanted = genai.GenerationConfig(max_new_tokens=new, do_sample=False, ignore_eos=True)
        wanted.set_eos_token_id(0)
        drawn = np.random.default_rng(self._runs).integers(1, self._vocabulary, (batch, prompt))
        self._runs += 1
        handles = [self._pipeline.add_request(i, openvino.Tensor(row[None]), wanted) for i, row in enumerate(drawn)]
        times = [clock()]
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
            times.append(clock())
        return _figures(times, [len(handle.read_all()[0].generated_ids) for handle in handles], new)


def _figures(times: Sequence[float], made: Sequence[int], new: int) -> tuple[float, float]:
    """TTFT and ITL of a run whose steps ended at ``times``, its start before them. Raises InputError where the sessions
    did not go step by step together, for the steps are then not those of the batch.
    """
    if len(times) != new + 1 or any(count != new for count in made):
        raise InputError(
            f"{len(made)} sessions should make {new} tokens each in {new} steps but took {len(times) - 1}; "
            f"measure a smaller batch"
        )
    return times[1] - times[0], (times[-1] - times[1]) / (new - 1)


class Session(Protocol):
    """Anything that answers a batch of prompts and tells (TTFT, ITL) in seconds."""

    def run(self, batch: int, prompt: int, new: int) -> tuple[float, float]: ...


def interleaved(
    held: Session, batches: Sequence[int], prompt: int, new: int, rounds: int
) -> Iterator[dict[int, tuple[float, float]]]:
    """(TTFT, ITL) in seconds by batch, a round at a time; batches go up and down by turns. A first run of each, which
    finds memory and compiles kernels, is not counted.
    """
    for batch in batches:
        held.run(batch, prompt, new)
    for number in range(rounds):
        order = batches if number % 2 == 0 else list(reversed(batches))
        yield {batch: held.run(batch, prompt, new) for batch in order}
