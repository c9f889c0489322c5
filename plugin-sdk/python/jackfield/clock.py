"""The time, as the host has it."""

from __future__ import annotations

from . import _host

_clock = _host.functions("clock")


def now_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return _clock.now_ms()


def monotonic_ns() -> int:
    """Nanoseconds since some moment before the plugin was loaded; never goes back."""
    return _clock.monotonic_ns()
