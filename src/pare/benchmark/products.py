"""How fast this machine multiplies matrices, by width: OpenVINO graphs of one product, built in memory and run as served.

``fp32`` and ``bf16`` are products of floats. ``int8`` and ``int4`` are those of weights stored so, in the form and with the
options in which pare serves them: their inputs are quantised on the fly. A width that the processor or OpenVINO has not is
told, never derived from another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pare.runtimes.openvino import options
from pare.types import Quantity

UNIT = "FLOP/s"
GROUP = 64
"""Weights of 4 bits that share a scale."""
RUNS = 5
"""The fewest runs of which the fastest counts."""
UNTOLD = ("fp8: OpenVINO has no product of 8-bit floats on a processor, so its peak is not known",)

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Peaks:
    """FLOP/s by width, multiply and add counted as two; ``notes``: widths that could not be measured, and why."""

    found: dict[str, Quantity]
    notes: tuple[str, ...]


def peaks(
    threads: int, date: str, rows: int = 1024, columns: int = 4096, seconds: float = 3.0, widths: Sequence[str] = ()
) -> Peaks:
    """Peaks of ``rows`` inputs times a matrix of ``columns`` x ``columns``, ``seconds`` a width."""
    import openvino

    core = openvino.Core()
    found: dict[str, Quantity] = {}
    notes: list[str] = []
    for width in widths or WEIGHTS:
        served = options(threads) | ({"INFERENCE_PRECISION_HINT": "bf16"} if width == "bf16" else {})
        compiled = core.compile_model(_graph(width, columns), "CPU", served)
        run = _runner(compiled, rows, columns)
        run()
        kernel, precision = _kernel(compiled)
        if width == "bf16" and precision != "bf16":
            notes.append(f"bf16: this processor has no products of bf16 (OpenVINO ran {precision}), so none is told")
            continue
        taken = run_times(run, seconds)
        version = openvino.__version__.split("-")[0]
        how = (
            f"{WORDS[width]}, {rows} x {columns} x {columns}, fastest of {len(taken)} runs in {threads} threads, "
            f"OpenVINO {version} ({kernel}), {date}"
        )
        found[width] = Quantity(2.0 * rows * columns * columns / min(taken), UNIT, "measured", how)
    return Peaks(found, (*notes, *UNTOLD))


def run_times(run: Callable[[], object], seconds: float, clock: Clock = time.perf_counter) -> list[float]:
    """Seconds of each run, for about so many seconds and ``RUNS`` times at least."""
    taken: list[float] = []
    end = clock() + seconds
    while len(taken) < RUNS or clock() < end:
        start = clock()
        run()
        taken.append(clock() - start)
    return taken


def _runner(compiled: Any, rows: int, columns: int) -> Callable[[], object]:
    request = compiled.create_infer_request()
    inputs = np.random.default_rng(0).standard_normal((rows, columns), dtype=np.float32)

    def run() -> object:
        return request.infer({0: inputs}, share_inputs=True)

    return run


def _graph(width: str, size: int) -> Any:
    """One product: inputs (rows, size) x weights (size, size), transposed as in a decoder."""
    import openvino
    from openvino import opset13 as ops

    inputs = ops.parameter([-1, size], np.float32, name="inputs")
    product = ops.matmul(inputs, WEIGHTS[width](size), False, True)
    return openvino.Model([product], [inputs], width)


def _float(size: int) -> Any:
    from openvino import opset13 as ops

    return ops.constant(np.random.default_rng(1).standard_normal((size, size), dtype=np.float32))


def _int8(size: int) -> Any:
    """Integers with a scale a row, as ``quantize:w8`` writes them."""
    from openvino import opset13 as ops

    codes = np.random.default_rng(1).integers(-127, 128, (size, size), dtype=np.int8)
    scaled = ops.multiply(ops.convert(ops.constant(codes), "f16"), ops.constant(np.full((size, 1), 0.01, np.float16)))
    return ops.convert(scaled, "f32")


def _int4(size: int) -> Any:
    """Two integers a byte with a scale a group, as ``quantize:w4`` writes them."""
    import openvino
    from openvino import opset13 as ops

    groups = [size, size // GROUP, GROUP]
    codes = np.random.default_rng(1).integers(0, 256, size * size // 2, dtype=np.uint8)
    held = openvino.op.Constant(openvino.Tensor(codes, groups, openvino.Type.i4))
    scales = ops.constant(np.full((*groups[:2], 1), 0.01, np.float16))
    scaled = ops.multiply(ops.convert(held, "f16"), scales)
    return ops.convert(ops.reshape(scaled, ops.constant(np.array([size, size])), special_zero=False), "f32")


WEIGHTS: dict[str, Callable[[int], Any]] = {"fp32": _float, "bf16": _float, "int8": _int8, "int4": _int4}
"""The widths that OpenVINO multiplies on a processor → the weights in that width."""
WORDS = {
    "fp32": "floats of 32 bits",
    "bf16": "floats of 16 bits (bf16)",
    "int8": "weights in 8 bits, inputs quantised on the fly",
    "int4": f"weights in 4 bits by groups of {GROUP}, inputs quantised on the fly",
}


def _kernel(compiled: Any) -> tuple[str, str]:
    """The kernel that OpenVINO chose for the product in its first run, and its precision."""
    for operation in compiled.get_runtime_model().get_ops():
        told = operation.get_rt_info()
        if "layerType" in told and told["layerType"].astype(str) in ("FullyConnected", "MatMul"):
            return told["primitiveType"].astype(str), told["runtimePrecision"].astype(str)
    return "unknown", "unknown"
