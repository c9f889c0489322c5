"""The contract's words for a decision. An option that is absent is `None` in Python, and a record needs
all its fields."""

from wit_world.imports.types import Decision_Route, Target


def to_model(model: str, **changes) -> Decision_Route:
    """The decision for one model, with what should differ from what the client asked."""
    asked = dict.fromkeys(("temperature", "max_output_tokens", "reasoning", "prompt_template"))
    return Decision_Route([Target(model=model, **(asked | changes))])
