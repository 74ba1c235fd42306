"""Silences libraries that print to standard output or draw progress bars: standard output is for our answer alone."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator

LOUD = ("", "nncf", "openvino", "torch", "torch.onnx", "torch.export", "onnxscript", "onnx_ir", "transformers")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drops what is printed, warned and logged below errors inside the block. Exceptions pass."""
    before = {name: logging.getLogger(name).level for name in LOUD}
    bars = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        for name in LOUD:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        if bars is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = bars
