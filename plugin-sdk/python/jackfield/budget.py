"""What may still be spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from . import _host

_budget = _host.functions("budget")

Scope = Literal["project", "user", "global"]

_SCOPES: dict[str, Any] = {
    name: getattr(_budget.Scope, name.upper()) if _host.IN_COMPONENT else name
    for name in ("project", "user", "global")
}


@_host.record("budget", "Headroom")
@dataclass
class Headroom:
    """The tightest limit of one scope."""

    remaining_usd: float
    """US dollars left in the tightest window."""
    used_ratio: float
    """The share of that window's limit that is spent or reserved, 0 to 1."""


def remaining(scope: Scope = "project") -> Headroom | None:
    """The tightest limit of the project or user of the client's key, or of everybody together (`global`); `None` when
    it has none."""
    if scope not in _SCOPES:
        raise ValueError(f"scope must be one of {', '.join(_SCOPES)}, not {scope!r}")
    return _budget.remaining(_SCOPES[scope])
