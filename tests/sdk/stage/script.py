"""What every scripted provider answers, in no API's words: it depends on the model's id and on the request.

`ok`            the text, in pieces where it is streamed
`two-calls`     two calls at once; the text when their results came
`breaks`        fails inside the stream, after the first piece, in its API's words
`cut`           breaks off in the middle of the stream, without a word
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
# What a request counts, where somebody asks for that alone.
COUNTED = 23

# The models of each kind of provider, by their ids; tests name them `KIND-ID`.
IDS = [
    "ok", "task", "two-calls", "breaks", "cut",
    "fails-400", "fails-401", "fails-429", "fails-500", "fails-503", "fails-529",
]

# What is said, by status. Every API has its own words for what kind of failure it is.
FAILURES = {
    400: "that is odd",
    401: f"Incorrect API key provided: {KEY}",
    429: "slow down",
    500: "we broke",
    503: "too much is going on",
    # Anthropic alone has this one.
    529: "overloaded",
}
# What a provider that limits its rate asks clients to wait, in seconds.
RETRY_AFTER = "7"


class Complaint(Exception):
    """A provider was sent what its API does not take."""


def demand(good, what):
    if not good:
        raise Complaint(what)


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
    # Fails after the first piece.
    breaks: bool = False
    # Is not heard of again after the first piece.
    cut: bool = False


@dataclass
class Heard:
    """One request, in no API's words."""

    # Without what a kind's ids begin with.
    model: str
    stream: bool = False
    # Standing instructions.
    system: list = field(default_factory=list)
    # What users and assistants said.
    texts: list = field(default_factory=list)
    # Types of pictures and their bytes in base64, or `None` and an address.
    images: list = field(default_factory=list)
    # Schemas by the tools' names.
    tools: dict = field(default_factory=dict)
    # What binds the answer.
    schema: dict | None = None
    # Of earlier calls, name and arguments.
    calls: list = field(default_factory=list)
    # Of calls' results, the place of the call that each belongs to and its text.
    results: list = field(default_factory=list)
    # Results came last.
    answered: bool = False
    # The bound on the answer's tokens.
    limit: int | None = None
    temperature: float | None = None
    # Texts that end it.
    stop: list = field(default_factory=list)


def failure(model):
    """The status with which this model fails, if it does."""
    return int(model.removeprefix("fails-")) if model.startswith("fails-") else None


def answer(heard):
    """What a model says to a request."""
    if heard.tools and not heard.answered:
        calls = [Call("call_1", "weather", ARGUMENTS)]
        if heard.model == "two-calls":
            calls.append(Call("call_2", "weather", OTHER_ARGUMENTS))
        return Said(calls=calls)
    pieces = JSON if heard.schema else TEXT
    return Said(pieces=pieces, breaks=heard.model == "breaks", cut=heard.model == "cut")
