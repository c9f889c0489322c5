"""The seed document's `MyRouter` in Python, against componentize-py's raw bindings: no SDK.

It decides and refuses as plugins/urgent-router does, word for word, because one table of tests holds for
all languages. Requests that name a task of `tour` get that instead. The file cannot be called `router`:
that is the world's name. componentize-py looks for a class named after each exported interface.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import config
from wit_world.imports import request as host
from wit_world.imports.types import (
    Decision_Abstain,
    PluginError_InvalidConfig,
    PluginInfo,
    RequestSummary,
)
from wit_world.imports.types import Routing as Answer

from answer import to_model
from tour import TOUR

DEFAULTS = {"keyword": "urgent", "model": "fast-model", "otherwise": None}


def settings(text: str) -> dict:
    """Reads the plugin's settings; every key may be left out, and no other is known."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise Err(PluginError_InvalidConfig(f"the settings are no JSON: {error}")) from error
    for key, value in given.items():
        if key not in DEFAULTS:
            raise Err(PluginError_InvalidConfig(f"unknown key `{key}`"))
        if not isinstance(value, str):
            raise Err(PluginError_InvalidConfig(f"`{key}` must be a text"))
    return DEFAULTS | given


class Routing(exports.Routing):
    """The rule."""

    def route(self, request: RequestSummary) -> Answer:
        branch = TOUR.get(request.task)
        if branch is not None:
            return branch(request)
        own = settings(config.get())
        keyword = own["keyword"]
        if host.contains(keyword):
            return Answer(to_model(own["model"]), f"the prompt contains `{keyword}`", [])
        decision = Decision_Abstain() if own["otherwise"] is None else to_model(own["otherwise"])
        return Answer(decision, f"the prompt does not contain `{keyword}`", [])


class Lifecycle(exports.Lifecycle):
    """The check of its settings."""

    def check_config(self, config: str) -> PluginInfo:
        settings(config)
        return PluginInfo("guest-python", "1.0.0", "Sends prompts with a keyword to a fast model")
