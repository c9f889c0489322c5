"""A plugin's own settings: its `config:` section, read into the dataclass that the author declared.

How each field is read is worked out once, while the plugin is built; a type that no setting can have fails the
build. Bounds: what the host takes as a `config:`.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import json
import types
import typing
from typing import Any, Callable, ClassVar

from . import _host
from .errors import ConfigError, DefinitionError

_config = _host.functions("config")

Read = Callable[[Any, str], Any]
"""Reads one value of the settings; the text is its place, for errors."""


class Configured:
    """What routers and validators have in common: settings."""

    _kind: ClassVar[str]

    if not typing.TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "config":
                what = "its settings are there from the first call on; `__init__` runs before"
                if not has_settings(type(self)):
                    what = "it declares no settings: write `config: Settings` in the class"
                raise AttributeError(f"{type(self).__name__}.config: {what}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def has_settings(cls: type) -> bool:
    """Whether a plugin declares settings."""
    return any("config" in _annotations(base) for base in cls.__mro__)


def _annotations(cls: type) -> Any:
    try:
        return getattr(cls, "__annotations__", {})
    except NameError:  # Python 3.14 works them out when asked.
        return {"config": None}


def reader(cls: type) -> Callable[[str], Any]:
    """Reads the settings of a plugin from JSON text."""
    if not has_settings(cls):
        return _nothing
    try:
        declared = typing.get_type_hints(cls)["config"]
    except NameError as error:
        raise DefinitionError(f"{cls.__name__}.config: {error}; import its type where the module can see it") from None
    read = _plan(declared, f"{cls.__name__}.config")

    def settings(text: str) -> Any:
        try:
            value = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"the settings are no JSON: {error}") from None
        return read({} if value is None else value, "")

    return settings


def _nothing(text: str) -> None:
    if text.strip() not in ("", "{}", "null"):
        raise ConfigError("this plugin takes no settings: remove its `config:`")


def current() -> str:
    """The settings as the host has them, as JSON text."""
    text: str = _config.get()
    return text


def _told(place: str) -> str:
    return f"`{place}`" if place else "the settings"


def _found(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:60]


def _wrong(place: str, wanted: str, value: Any) -> ConfigError:
    return ConfigError(f"{_told(place)} must be {wanted}, not {_found(value)}")


def _exactly(kind: type | tuple[type, ...], wanted: str, make: Callable[[Any], Any] | None = None) -> Read:
    def read(value: Any, place: str) -> Any:
        # JSON's `true` is an int to Python.
        if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
            raise _wrong(place, wanted, value)
        return make(value) if make else value

    return read


_SIMPLE: dict[Any, Read] = {
    str: _exactly(str, "a text"),
    bool: _exactly(bool, "true or false"),
    int: _exactly(int, "a whole number"),
    float: _exactly((int, float), "a number", float),
    dict: _exactly(dict, "an object"),
    list: _exactly(list, "a list"),
    type(None): _exactly(type(None), "null"),
    Any: lambda value, _: value,
    object: lambda value, _: value,
}


def _plan(declared: Any, where: str) -> Read:
    """How a value of a declared type is read."""
    if declared in _SIMPLE:
        return _SIMPLE[declared]
    if dataclasses.is_dataclass(declared) and isinstance(declared, type):
        return _dataclass(declared)
    if isinstance(declared, type) and issubclass(declared, enum.Enum):
        return _choice({member.value: member for member in declared})
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is typing.Literal:
        return _choice({value: value for value in arguments})
    if origin in (typing.Union, types.UnionType):
        return _union([_plan(argument, where) for argument in arguments], type(None) in arguments)
    if origin in (list, set, frozenset) or origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        return _several(_plan(arguments[0], where), origin)
    if origin is dict and arguments[0] is str:
        return _mapping(_plan(arguments[1], where))
    raise DefinitionError(
        f"{where} has the type {declared!r}, which no setting can have; these can: str, int, float, bool, list[…], "
        "dict[str, …], tuple[…, ...], set[…], Literal[…], an Enum, a dataclass, any of them | None, Any"
    )


def _choice(known: dict[Any, Any]) -> Read:
    wanted = "one of " + ", ".join(_found(value) for value in known)

    def read(value: Any, place: str) -> Any:
        # `True == 1` in Python, and lists cannot be looked up.
        for name, meant in known.items():
            if type(name) is type(value) and name == value:
                return meant
        close = difflib.get_close_matches(value, [name for name in known if isinstance(name, str)], 1) if isinstance(
            value, str
        ) else []
        raise ConfigError(f"{_wrong(place, wanted, value)}" + (f"; did you mean {_found(close[0])}?" if close else ""))

    return read


def _union(parts: list[Read], optional: bool) -> Read:
    def read(value: Any, place: str) -> Any:
        if value is None and optional:
            return None
        failed = []
        for part in parts:
            try:
                return part(value, place)
            except ConfigError as error:
                failed.append(str(error))
        # With `… | None` what is said of the other type is the whole truth.
        said = [text for text in failed if "must be null" not in text]
        raise ConfigError(", or ".join(said))

    return read


def _several(item: Read, make: Callable[[Any], Any]) -> Read:
    def read(value: Any, place: str) -> Any:
        if not isinstance(value, list):
            raise _wrong(place, "a list", value)
        return make(item(one, f"{place}[{index}]") for index, one in enumerate(value))

    return read


def _mapping(item: Read) -> Read:
    def read(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(place, "an object", value)
        return {key: item(one, f"{place}.{key}".lstrip(".")) for key, one in value.items()}

    return read


def _dataclass(cls: type) -> Read:
    try:
        hints = typing.get_type_hints(cls)
    except NameError as error:
        raise DefinitionError(f"{cls.__name__}: {error}; import its type where the module can see it") from None
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    reads = {name: _plan(hints[name], f"{cls.__name__}.{name}") for name in fields}
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def read(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise _wrong(place, "an object", value)
        before = f"{place}." if place else ""
        given = {}
        for key, one in value.items():
            known = reads.get(key)
            if known is None:
                raise ConfigError(_unknown(f"{before}{key}", key, list(fields)))
            given[key] = known(one, before + key)
        for name in required:
            if name not in given:
                raise ConfigError(f"`{before}{name}` is missing")
        try:
            return cls(**given)
        except (TypeError, ValueError) as error:  # Of the author's `__post_init__`.
            raise ConfigError(f"{place}: {error}" if place else str(error)) from error

    return read


def _unknown(place: str, key: str, known: list[str]) -> str:
    if not known:
        return f"unknown key `{place}`: there are no settings here"
    close = difflib.get_close_matches(key, known, 1, 0.6)
    if close:
        return f"unknown key `{place}`; did you mean `{close[0]}`?"
    return f"unknown key `{place}`; known: {', '.join(f'`{name}`' for name in known)}"
