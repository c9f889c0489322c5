"""What a plugin's class says, worked out and checked once, while it is built or when a test begins with it."""

from __future__ import annotations

import inspect
import sys
from typing import Any, Callable

from . import _settings
from .errors import DefinitionError
from .request import Request
from .response import Response
from .router import Router
from .stream import StreamValidator
from .validator import Validator

# What a parameter may stand for, and how it is got of the request and the answer.
_SOURCES: dict[str, Callable[[Any, Any], Any]] = {
    "request": lambda request, _: request,
    "response": lambda _, response: response,
    "prompt": lambda request, _: request.prompt,
    "text": lambda _, response: response.text,
}


def place(what: Any) -> str:
    """Where a function or a class is written, as `file.py:12: `."""
    code = getattr(what, "__code__", None)
    if code is not None:
        return f"{_file(code.co_filename)}:{code.co_firstlineno}: "
    module = sys.modules.get(getattr(what, "__module__", ""), None)
    file = getattr(module, "__file__", None)
    return f"{_file(file)}: " if file else ""


def _file(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


class Definition:
    """A plugin's class, checked, and the object that answers calls."""

    def __init__(self, cls: type) -> None:
        kinds = {"router": Router, "validator": Validator, "stream-validator": StreamValidator}
        self.cls = cls
        self.kinds = {kind for kind, base in kinds.items() if issubclass(cls, base)}
        self.has_settings = _settings.has_settings(cls)
        self.read = _settings.reader(cls)
        self.config: Any = None
        self.ready = False
        bases = " or ".join(base.__name__ for base in kinds.values())
        if not self.kinds:
            raise DefinitionError(f"{place(cls)}{cls.__name__} is no subclass of {bases}")
        if "stream-validator" in self.kinds:
            if cls.push is StreamValidator.push:  # type: ignore[attr-defined]
                raise DefinitionError(f"{place(cls)}{cls.__name__} has no `push`: def push(self, piece: Piece) -> Step")
            for name in ("open", "push", "finish"):
                _sync(getattr(cls, name), f"{cls.__name__}.{name}")
        self.plugin = cls() if self.kinds != {"stream-validator"} else None
        self.route = self._call("router", "route", ("prompt", "request"))
        self.validate = self._call("validator", "validate", ("text", "response", "request", "prompt"))

    def _call(self, kind: str, name: str, known: tuple[str, ...]) -> Any:
        """The author's function as one of the request, or of the request and the answer."""
        if kind not in self.kinds:
            return None
        function = getattr(self.plugin, name, None)
        if not callable(function):
            raise DefinitionError(f"{place(self.cls)}{self.cls.__name__} has no `{name}`: def {name}(self, {known[0]}: str)")
        _sync(function, f"{self.cls.__name__}.{name}")
        wanted = [_source(parameter, function, known) for parameter in _parameters(function)]
        # The usual ones take no detour: it would cost every call.
        if kind == "router":
            if wanted == ["request"]:
                return function
            if wanted == ["prompt"]:
                return lambda request: function(request.prompt)
            sources = [_SOURCES[source] for source in wanted]
            return lambda request: function(*[source(request, None) for source in sources])
        if wanted == ["request", "response"]:
            return function
        sources = [_SOURCES[source] for source in wanted]
        return lambda request, response: function(*[source(request, response) for source in sources])

    def configure(self, text: str) -> None:
        """Reads the settings; from then on the plugin's object has them."""
        self.config = self.read(text)
        if self.plugin is not None and self.has_settings:
            self.plugin.config = self.config
        self.ready = True

    def begin(self) -> Any:
        """An object for a stream."""
        stream = self.cls()
        if self.has_settings:
            stream.config = self.config
        return stream

    @property
    def description(self) -> str:
        """The first line of the class's docstring."""
        own = self.cls.__dict__.get("__doc__") or ""
        return own.strip().partition("\n")[0].strip()


def _sync(function: Any, name: str) -> None:
    inner = inspect.unwrap(getattr(function, "__func__", function))
    if inspect.iscoroutinefunction(inner) or inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise DefinitionError(f"{place(inner)}{name} must be a plain `def`: the host waits for its answer")


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function)
    except NameError as error:  # An annotation that only a type checker can see.
        inner = inspect.unwrap(getattr(function, "__func__", function))
        raise DefinitionError(f"{place(inner)}{error}; add `from __future__ import annotations`") from None
    required = inspect.Parameter.empty
    return [p for p in signature.parameters.values() if p.default is required and p.kind is not p.VAR_KEYWORD]


def _source(parameter: inspect.Parameter, function: Any, known: tuple[str, ...]) -> str:
    """What a parameter stands for: by its annotation, or else by its name."""
    says, name = parameter.annotation, parameter.name
    # Under `from __future__ import annotations` it is a text.
    word = says.strip("\"'").rpartition(".")[2] if isinstance(says, str) else says
    if word is Request or word == "Request":
        found = "request"
    elif word is Response or word == "Response":
        found = "response"
    elif (word is str or word == "str") and name not in ("prompt", "text"):
        found = known[0]
    else:
        found = name
    if found in known and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
        return found
    inner = inspect.unwrap(getattr(function, "__func__", function))
    raise DefinitionError(
        f"{place(inner)}what is `{name}` of `{inner.__name__}` to be? Call it one of {', '.join(known)}, or annotate it "
        "with str, Request" + (" or Response" if "response" in known else "")
    )
