"""The classes that componentize-py looks for, made of an author's class. Nobody but the entry that `jackfield plugin
build` writes imports this: it needs the bindings.

No exception leaves a call but `Err`: anything else would trap without a word.
"""

from __future__ import annotations

import sys
from typing import Any

from componentize_py_types import Err  # type: ignore[import-not-found]
from wit_world.imports import types as wit  # type: ignore[import-not-found]

from . import _settings, _warm, router, stream, validator
from ._define import Definition
from .errors import ConfigError, InputError
from .response import finish_name

# A reason, an error or an issue may have 1 024 bytes; an error is cut here, where its beginning says most.
_ERROR_CHARACTERS = 1000

_REASONING = {None: None, **{name: getattr(wit.ReasoningLevel, name.upper()) for name in router._REASONING}}
_STATUS = {name: getattr(wit.RejectClass, name.upper().replace("-", "_")) for name in router._STATUS}


def export(cls: type, name: str, version: str) -> dict[str, type]:
    """The classes by the names that componentize-py looks for."""
    folder = _folder(cls)
    definition = Definition(cls)
    _warm.up(lambda example: _classes(Definition(example), name, version, folder))
    return _classes(definition, name, version, folder)


def _folder(cls: type) -> str:
    """Where the author's files are."""
    file: str = sys.modules[cls.__module__].__file__ or ""
    return file.rsplit("/", cls.__module__.count(".") + (2 if file.endswith("/__init__.py") else 1))[0] + "/"


def _classes(definition: Definition, name: str, version: str, folder: str) -> dict[str, type]:
    classes = {"Lifecycle": _lifecycle(definition, name, version, folder)}
    if definition.route is not None:
        classes["Routing"] = _routing(definition, folder)
    if definition.validate is not None:
        classes["Validation"] = _validation(definition, folder)
    if "stream-validator" in definition.kinds:
        classes["StreamValidation"] = _stream(definition, folder)
    return classes


def refusal(error: BaseException, folder: str) -> Exception:
    """An exception in the contract's words."""
    if isinstance(error, Err):
        return error
    said = str(error)
    if isinstance(error, ConfigError):
        case = wit.PluginError_InvalidConfig
    elif isinstance(error, InputError):
        case = wit.PluginError_InvalidInput
    else:
        case = wit.PluginError_Internal
        said = f"{type(error).__name__}: {said}" if said else type(error).__name__
        if where := _where(error, folder):
            said += f" ({where})"
    return Err(case(said[:_ERROR_CHARACTERS].encode(errors="replace").decode()))


def _where(error: BaseException, folder: str) -> str:
    """The innermost line of the author's own files that an exception came through."""
    found, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename.startswith(folder):
            found = f"{code.co_filename[len(folder):]}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    return found


def _lifecycle(definition: Definition, name: str, version: str, folder: str) -> type:
    info = wit.PluginInfo(name, version, definition.description)

    class Lifecycle:
        def check_config(self, config: str) -> Any:
            try:
                definition.configure(config)
            except BaseException as error:
                raise refusal(error, folder) from None
            return info

    return Lifecycle


def _routing(definition: Definition, folder: str) -> type:
    call = definition.route
    Routing, Decision, Target = wit.Routing, wit.Decision_Route, wit.Target

    class _Routing:
        def route(self, request: Any) -> Any:
            try:
                if not definition.ready:
                    definition.configure(_settings.current())
                returned = call(request)
                if type(returned) is str and returned.isascii():
                    return Routing(Decision([Target(returned, None, None, None, None)]), "", [])
                return lower_decision(router.decision(returned))
            except BaseException as error:
                raise refusal(error, folder) from None

    return _Routing


def lower_decision(decision: router.Decision) -> Any:
    """A decision in the contract's words."""
    if isinstance(decision, router.Route):
        made: Any = wit.Decision_Route([
            wit.Target(
                target.model,
                target.temperature,
                target.max_output_tokens,
                _REASONING[target.reasoning],
                target.prompt_template,
            )
            for target in decision.targets
        ])
    elif isinstance(decision, router.Abstain):
        made = wit.Decision_Abstain()
    elif isinstance(decision, router.Refuse):
        made = wit.Decision_Reject(wit.Rejection(_STATUS[decision.status], decision.message))
    elif isinstance(decision, router.Respond):
        made = wit.Decision_Respond(decision.text)
    else:
        raise TypeError(f"a {type(decision).__name__} decides nothing: use Route, Abstain, Refuse or Respond")
    return wit.Routing(made, decision.because, list(decision.labels.items()))


def _validation(definition: Definition, folder: str) -> type:
    call = definition.validate

    class _Validation:
        def validate(self, request: Any, response: Any) -> Any:
            try:
                if not definition.ready:
                    definition.configure(_settings.current())
                response.finish = finish_name(response.finish)
                return lower_verdict(validator.verdict(call(request, response)))
            except BaseException as error:
                raise refusal(error, folder) from None

    return _Validation


def lower_verdict(verdict: validator.Verdict) -> Any:
    """A verdict in the contract's words."""
    issues = verdict.issues
    if isinstance(verdict, validator.Accept):
        made: Any = wit.Verdict_Accept()
    elif isinstance(verdict, validator.Reject):
        made, issues = wit.Verdict_Reject(issues), []
    elif isinstance(verdict, validator.Repair):
        made = wit.Verdict_Repair(verdict.instruction)
    elif isinstance(verdict, validator.Replace):
        made = wit.Verdict_Replace(verdict.text)
    else:
        raise TypeError(f"a {type(verdict).__name__} says nothing: use Accept, Reject, Repair or Replace")
    return wit.Validation(made, verdict.score, issues, list(verdict.labels.items()))


def _stream(definition: Definition, folder: str) -> type:
    from wit_world.exports import stream_validation as steps  # type: ignore[import-not-found]

    pieces = {steps.Piece_Text: "text", steps.Piece_ToolCall: "tool-call", steps.Piece_Finish: "finish"}
    everything = 2**32 - 1

    class _StreamValidation:
        plugin: Any = None
        held: Any = None

        def open(self, request: Any) -> None:
            try:
                if not definition.ready:
                    definition.configure(_settings.current())
                # Every call gets an object of its own; the component's instance is what lives as long as the stream.
                _StreamValidation.plugin, _StreamValidation.held = definition.begin(), stream.Held()
                self.plugin.open(request)
            except BaseException as error:
                raise refusal(error, folder) from None

        def push(self, delta: Any) -> Any:
            try:
                kind, choice = pieces[type(delta.piece)], delta.choice
                value = delta.piece.value
                text = "" if kind == "finish" else value
                finish = finish_name(value) if kind == "finish" else None
                held = self.held.push(choice, text if kind == "text" else "")
                step = stream.checked(self.plugin.push(stream.Piece(kind, text, held, choice, finish)), "push")
                if isinstance(step, stream.Release):
                    return steps.Step_Release(self.held.release(choice, step))
                if isinstance(step, stream.Replace):
                    self.held.texts[choice] = ""
                return lower(step)
            except BaseException as error:
                raise refusal(error, folder) from None

        def finish(self) -> Any:
            try:
                step = stream.checked(self.plugin.finish(), "finish")
                if isinstance(step, stream.Release):
                    # Several choices may hold some; a part of them would be of no use to the host, which is done.
                    if step.characters is None:
                        return steps.Step_Release(everything)
                    return steps.Step_Release(sum(self.held.release(choice, step) for choice in [*self.held.texts]))
                return lower(step)
            except BaseException as error:
                raise refusal(error, folder) from None

    def lower(step: Any) -> Any:
        if isinstance(step, stream.Reject):
            return steps.Step_Reject(step.issues)
        return steps.Step_Replace(step.text) if isinstance(step, stream.Replace) else steps.Step_Hold()

    return _StreamValidation
