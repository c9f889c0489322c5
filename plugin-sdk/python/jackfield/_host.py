"""The seam to the host: the contract's bindings inside a component, the played host of `jackfield.testing` elsewhere.

Nothing else of this package knows which of the two it is. The bindings exist only where `jackfield plugin build`
runs and in what it makes.
"""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Any, Callable, TypeVar

try:
    import wit_world  # type: ignore[import-not-found]  # noqa: F401

    IN_COMPONENT = True
except ModuleNotFoundError:
    IN_COMPONENT = False

T = TypeVar("T")

# Who is asked under CPython: set by `jackfield.testing` while it plays.
playing: list[Any] = []


class _Played:
    """The functions of one interface, answered by the host that plays at the time."""

    def __init__(self, interface: str) -> None:
        self._interface = interface

    def __getattr__(self, function: str) -> Callable[..., Any]:
        name = f"{self._interface}_{function}"

        def ask(*arguments: Any) -> Any:
            if not playing:
                raise RuntimeError(
                    f"`{self._interface}.{function}` asks the host, and there is none: in a test, call the plugin "
                    "through `jackfield.testing.Host`; while a plugin is built, no host is there yet"
                )
            return getattr(playing[-1], name)(*arguments)

        return ask


def functions(interface: str) -> Any:
    """The functions of an imported interface, under their names in the contract, with underscores; `None` when the
    plugin's world has no such interface."""
    if not IN_COMPONENT:
        return _Played(interface)
    try:
        return importlib.import_module(f"wit_world.imports.{interface}")
    except ModuleNotFoundError:
        return None


def record(interface: str, name: str) -> Callable[[type[T]], type[T]]:
    """A record of the contract as authors see it.

    Inside a component the class that the bindings make of a record gets the methods of the decorated class and
    takes its place, so that a record is used as it arrives: wrapping each one would cost every call.
    """

    def decorate(shown: type[T]) -> type[T]:
        if not IN_COMPONENT:
            return shown
        bound: type[T] = getattr(functions(interface), name)
        for key, value in vars(shown).items():
            if callable(value) and not key.startswith("__") or isinstance(value, (property, cached_property)):
                setattr(bound, key, value)
        bound.__doc__ = shown.__doc__
        return bound

    return decorate


def failure(error: BaseException) -> Any:
    """What a refused call of the host says, the `Err` that the bindings raise being no class of ours."""
    return getattr(error, "value", None)


class Refused(Exception):
    """What the played host raises where the bindings raise their `Err`."""

    def __init__(self, value: Any) -> None:
        super().__init__(value)
        self.value = value


def error_type() -> type[BaseException]:
    """The exception with which a call of the host ends in an error of the contract."""
    if IN_COMPONENT:
        err: type[BaseException] = importlib.import_module("componentize_py_types").Err
        return err
    return Refused
