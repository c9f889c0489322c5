"""What is otherwise in a call than in Python elsewhere: without this, an import, an `open` or a look at the clock would
trap without a word, and what is printed would be lost.

`prepare` comes before the author's modules are imported, `close` is the last act of a build: between them files and
clocks are the build's.
"""

from __future__ import annotations

import builtins
import io
import random  # noqa: F401  (componentize-py seeds it when all else is done, and finds no file then)
import sys
import time
from typing import Any, Callable

from . import clock, log


class _Lines:
    """Standard output and error: whole lines go to the host's log."""

    encoding = "utf-8"

    def __init__(self, write: Any) -> None:
        self._write = write
        self._open = ""

    def write(self, text: str) -> int:
        """Takes text; a line is told when it is whole."""
        *lines, self._open = (self._open + text).split("\n")
        for line in lines:
            self._write(line)
        return len(text)

    def flush(self) -> None:
        """A line that is not whole waits for its end."""


class _NoFiles:
    """The finder of modules that are not there yet."""

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> None:
        """No module is found: the ones before this finder know those that need no file."""
        raise ModuleNotFoundError(
            f"there is no `{name}` in a call, where there are no files: import it at the top of a module", name=name
        )


_closed = False


def _clock(name: str, of_host: Callable[[], Any]) -> None:
    """Has a function of `time` ask the host, from `close` on."""
    of_build = getattr(time, name)
    setattr(time, name, lambda: of_host() if _closed else of_build())


def _nothing(what: str, of_build: Callable[..., Any]) -> Callable[..., Any]:
    """A function that a call has not."""

    def refuse(*arguments: Any, **named: Any) -> Any:
        if _closed:
            raise OSError(f"there {what} in a call; do it at the top of a module, while the plugin is built")
        return of_build(*arguments, **named)

    return refuse


def prepare() -> None:
    """Begins the build."""
    _clock("time", lambda: clock.now_ms() / 1000)
    _clock("time_ns", lambda: clock.now_ms() * 1_000_000)
    for name in ("monotonic", "perf_counter", "process_time"):
        _clock(name, lambda: clock.monotonic_ns() / 1e9)
        _clock(f"{name}_ns", clock.monotonic_ns)
    time.sleep = _nothing("is no sleeping", time.sleep)
    builtins.open = io.open = _nothing("are no files", io.open)  # type: ignore[assignment]


def close() -> None:
    """Ends the build."""
    global _closed
    _closed = True
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "PathFinder"]
    sys.meta_path.append(_NoFiles)  # type: ignore[arg-type]
    sys.stdout, sys.stderr = _Lines(log.info), _Lines(log.warn)  # type: ignore[assignment]
