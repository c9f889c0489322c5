"""Routing rules and answer checks for the Jackfield LLM gateway, in Python.

    from jackfield import Router

    class MyRouter(Router):
        def route(self, prompt: str) -> str:
            if "urgent" in prompt:
                return "fast-model"
            return "smart-model"

`jackfield plugin build` makes a component of the folder that holds the class. What a plugin may ask of its
host is in the modules `models`, `budget`, `load`, `kv`, `clock` and `log`. `from jackfield import llm` asks
other models, and makes the plugin one that needs the grant `llm`. `jackfield.testing` plays the host in unit
tests, under plain CPython.
"""

from . import budget, clock, kv, load, log, models
from .errors import ConfigError, InputError
from .request import Message, Request
from .response import Response, TokenUsage, ToolCall
from .router import Abstain, Decision, Refuse, Respond, Route, Router, Target
from .stream import Hold, Piece, Release, Step, StreamValidator
from .validator import Accept, Reject, Repair, Replace, Validator, Verdict

__version__ = "0.1.0"

__all__ = [
    "Abstain",
    "Accept",
    "ConfigError",
    "Decision",
    "Hold",
    "InputError",
    "Message",
    "Piece",
    "Refuse",
    "Reject",
    "Release",
    "Repair",
    "Replace",
    "Request",
    "Respond",
    "Response",
    "Route",
    "Router",
    "Step",
    "StreamValidator",
    "Target",
    "TokenUsage",
    "ToolCall",
    "Validator",
    "Verdict",
    "budget",
    "clock",
    "kv",
    "load",
    "log",
    "models",
]
