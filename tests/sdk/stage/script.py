"""What every scripted provider answers, in no API's words: it depends on the model's id and on the request.

`ok`            the text, in pieces where it is streamed
`two-calls`     two calls at once; the text when their results came
`breaks`        fails inside the stream, after the first piece
`fails-STATUS`  fails with that status before it answers
anything else   as `ok`; when tools are offered, one call, and the text when its result came
"""

from dataclasses import dataclass, field

KEY = "sk-upstream-4f0c1d9e7a52"
TEXT = ["The ", "answer", " is 42."]
# Where a schema binds the answer.
JSON = ['{"answer": ', "42}"]
ARGUMENTS = ['{"city":', ' "Ghent"}']
OTHER_ARGUMENTS = ['{"city": "Li', 'lle"}']
USAGE = {"input": 11, "output": 7}
VECTOR = [0.5, -0.25, 0.0]
EMBEDDED = {"input": 5}

# Message, and what the APIs' error codes have in common, by status.
FAILURES = {
    400: ("odd", "that is odd"),
    401: ("invalid_api_key", f"Incorrect API key provided: {KEY}"),
    429: ("rate_limit_exceeded", "slow down"),
    500: (None, "we broke"),
}
# What a provider that limits its rate asks clients to wait, in seconds.
RETRY_AFTER = "7"


@dataclass
class Call:
    id: str
    name: str
    arguments: list


@dataclass
class Said:
    """One answer: pieces of text, and calls."""

    pieces: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    # Breaks off after the first piece.
    breaks: bool = False


def failure(model):
    """The status with which this model fails, if it does."""
    return int(model.removeprefix("fails-")) if model.startswith("fails-") else None


def answer(model, *, tools, results, schema):
    """What a model says: are tools offered, did results of calls come last, does a schema bind the answer?"""
    if tools and not results:
        calls = [Call("call_1", "weather", ARGUMENTS)]
        if model == "two-calls":
            calls.append(Call("call_2", "weather", OTHER_ARGUMENTS))
        return Said(calls=calls)
    return Said(pieces=JSON if schema else TEXT, breaks=model == "breaks")
