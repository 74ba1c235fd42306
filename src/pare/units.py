"""Units as people read them."""

from __future__ import annotations

MB = 1_000_000
"""Bytes in a megabyte. Sizes are decimal, as on disks and in published figures."""


def megabytes(size_bytes: float) -> str:
    """A size for people, three significant digits: ``4.10 MB``, ``90.9 MB``, ``120 MB``."""
    value = size_bytes / MB
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} MB"


def percent(share: float, digits: int = 1) -> str:
    """A share as a percentage: ``92.4 %``."""
    return f"{100 * share:.{digits}f} %"


def ratio(value: float) -> str:
    """A ratio for people: ``3.1x``, ``22x``."""
    return f"{value:.1f}x" if value < 10 else f"{value:.0f}x"


def duration(seconds: float) -> str:
    """A duration for people: ``45 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
