"""pare finds, builds, proves and serves the smallest language model that does your job.

Names are resolved on first use, so that ``import pare`` stays fast and never loads a training library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pare.api import Study, bench, build, export, find, load, prove, show
    from pare.data.task import Task

_HOMES = {
    "Study": "pare.api",
    "Task": "pare.data.task",
    "bench": "pare.api",
    "build": "pare.api",
    "export": "pare.api",
    "find": "pare.api",
    "load": "pare.api",
    "prove": "pare.api",
    "show": "pare.api",
}

__all__ = ["Study", "Task", "__version__", "bench", "build", "export", "find", "load", "prove", "show"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pare' has no attribute '{name}'; it has {', '.join(__all__)}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
