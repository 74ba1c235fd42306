"""The prompt contract: how to take a caller's unchanged request, and how to answer it in the form it expects.

It is carried in an artifact's manifest. A request that does not fit is for the incumbent; who serves counts those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from pare.errors import InputError
from pare.logs.forms import Form
from pare.logs.templates import Extractor, Template, input_text
from pare.logs.types import Logged

CONTRACT = "contract.json"
"""The file of a run's folder that holds its contract."""


@dataclass(frozen=True)
class Contract:
    """A job's template and the form of its answers."""

    template: Template
    form: Form

    @cached_property
    def _extract(self) -> Extractor:
        return Extractor(self.template)

    def text(self, request: Logged) -> str | None:
        """What a small model reads of a request, or None where the request does not fit the template."""
        slots = self._extract.slots(request)
        return None if slots is None else input_text(slots)

    def answer(self, label: str, confidence: float) -> str:
        """A label as the caller expects its answer."""
        return self.form.write(label, confidence)

    def plain(self) -> dict[str, Any]:
        """Plain values, as a manifest holds them."""
        found: dict[str, Any] = msgspec.to_builtins({"template": self.template, "form": self.form})
        return found

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Contract:
        """The inverse of ``plain``. Raises InputError where the values are those of no contract."""
        try:
            return Contract(msgspec.convert(plain["template"], Template), msgspec.convert(plain["form"], Form))
        except (KeyError, msgspec.ValidationError) as error:
            raise InputError(f"the manifest's contract cannot be read: {error}; build the artifact again") from None
