"""An entry of this machine as ``pare doctor --measure`` would store it, with made-up figures, for tests of what reads it."""

from __future__ import annotations

from pare.benchmark.machine import FORMAT, Entry, server_name
from pare.catalog.types import Calibration, Chip, Server
from pare.runtimes import this_device
from pare.types import Part, Quantity, Shape

MODEL = "llama-29m-random"
DAY = "2026-01-31"


def fake_entry() -> Entry:
    """Every figure is there: bandwidth 48 GB/s, 1 TFLOP/s in fp32, power, and an engine of 4 + 0.5 x batch ms."""
    device = this_device()

    def figure(value: float, unit: str) -> Quantity:
        return Quantity(value, unit, "measured", "made up")

    chip = Chip(
        name=device.name,
        kind="cpu",
        bandwidth=figure(48e9, "bytes/s"),
        memory=figure(float(device.memory_bytes), "bytes"),
        peaks={"fp32": figure(1e12, "FLOP/s"), "int8": figure(4e12, "FLOP/s")},
        power=figure(90.0, "W"),
    )
    name = server_name(device)
    line = Calibration(
        server=name,
        model=MODEL,
        engine="openvino",
        width="w8",
        context=96.0,
        itl_constant_s=0.004,
        itl_slope_s=0.0005,
        prefill_constant_s=0.002,
        prefill_slope_s=0.0001,
        joules_constant=None,
        joules_slope=None,
        largest_batch=16,
        date=DAY,
        source="made up",
    )
    return Entry(
        format=FORMAT,
        date=DAY,
        device=device,
        threads=device.cores,
        server=Server(name=name, chip=chip, count=1, power=figure(90.0, "W"), idle=figure(30.0, "W")),
        figures={"triad": figure(30e9, "bytes/s")},
        calibrations=(line,),
        shapes={MODEL: Shape("llama", (Part("layers.0.ffn", 1000, 8.0),), layers=1, width=10)},
        notes=("fp8: not measured",),
    )
