"""How busy the host is."""

from __future__ import annotations

from dataclasses import dataclass

from . import _host

_load = _host.functions("load")


@_host.record("load", "LoadState")
@dataclass
class LoadState:
    """A glance at the host."""

    in_flight: int = 1
    """Requests now under way."""
    queued: int = 0
    """Plugin calls waiting for a permit."""
    cpu: float | None = None
    """The share of the processors in use over the last seconds, 0 to 1; `None` where the system does not say, and when
    nobody has asked for a while."""


def current() -> LoadState:
    """The host now."""
    return _load.current()
