from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pare.errors import InputError
from pare.runtimes import RUNTIMES, load, runtime, this_device
from pare.runtimes.device import _processor
from pare.types import Artifact, Manifest, Shape


@pytest.mark.parametrize("name", RUNTIMES)
def test_every_name_resolves_to_a_runtime_of_that_name(name: str) -> None:
    assert runtime(name).name == name


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean openvino"):
        runtime("openvin")


def test_what_nothing_can_load_names_every_reason() -> None:
    manifest = Manifest("tflite", "classify", ("a",), 0, {}, Shape("x", ()), {}, {})
    with pytest.raises(InputError, match="tflite") as caught:
        load(Artifact(Path("model"), "id", manifest, 0))
    assert all(f"{name}: it serves" in str(caught.value) for name in RUNTIMES)


def test_the_serving_path_reaches_no_building_library() -> None:
    code = (
        "import sys, pare.runtimes, pare.runtimes.arrays, pare.runtimes.openvino, pare.runtimes.onnx, pare.runtimes.text\n"
        "print([m for m in ('torch', 'transformers', 'nncf', 'sklearn', 'scipy', 'openvino') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_this_device_is_described() -> None:
    device = this_device()
    assert device.name
    assert device.cores >= 1
    assert device.memory_bytes > 0


def test_a_processor_without_linux_is_unnamed(tmp_path: Path) -> None:
    assert _processor(tmp_path / "absent") == ("", frozenset())
