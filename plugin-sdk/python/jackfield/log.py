"""The plugin's voice in the host's log. A line is cut at 2 KiB, a call's lines beyond the 64th are dropped, and control
characters are removed."""

from __future__ import annotations

from typing import Any

from . import _host

_log = _host.functions("log")


def _level(name: str) -> Any:
    return getattr(_log.Level, name.upper()) if _host.IN_COMPONENT else name


_DEBUG, _INFO, _WARN, _ERROR = map(_level, ("debug", "info", "warn", "error"))


def debug(line: object) -> None:
    """A line for the plugin's author."""
    _log.write(_DEBUG, _line(line))


def info(line: object) -> None:
    """A line worth keeping."""
    _log.write(_INFO, _line(line))


def warn(line: object) -> None:
    """Something is odd."""
    _log.write(_WARN, _line(line))


def error(line: object) -> None:
    """Something is wrong."""
    _log.write(_ERROR, _line(line))


def _line(line: object) -> str:
    # A log never fails a call: what UTF-8 cannot hold is shown as `?`.
    return str(line).encode(errors="replace").decode()
