"""How a plugin admits that it failed; what the client then sees is up to the plugin's `on_error` in the gateway.

Any other exception does as well: the host is told its last line, and the file and line in the plugin where it
came from.
"""

from __future__ import annotations


class ConfigError(Exception):
    """The plugin's settings make no sense to it; the text says what to change."""


class InputError(Exception):
    """This request makes no sense to the plugin."""


class DefinitionError(TypeError):
    """The plugin is not written as it must be. Raised while it is built or tested, never in a gateway."""
