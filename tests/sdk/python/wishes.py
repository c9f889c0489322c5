"""What the tests ask for, whatever the API."""

import pydantic

from stage.script import ARGUMENTS, OTHER_ARGUMENTS

QUESTION = "What is the answer?"
MESSAGES = [{"role": "user", "content": QUESTION}]
# A tool's, its keys in an order of their own.
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}, "at": {"type": "string"}},
    "required": ["city"],
}
# Arguments of the calls that `two-calls` makes.
CITIES = [{"city": "Ghent"}, {"city": "Lille"}]
WRITTEN = ["".join(ARGUMENTS), "".join(OTHER_ARGUMENTS)]
# One grey dot.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


class Answer(pydantic.BaseModel):
    answer: int


def second_turn(heard, question):
    """What a provider must have understood of the turn that tells what both calls came to."""
    assert heard.texts == [question]
    assert heard.calls == [("weather", city) for city in CITIES]
    assert sorted(heard.results) == [(0, "rain in Ghent"), (1, "sun in Lille")]
    assert heard.tools == {"weather": PARAMETERS}
    assert list(heard.tools["weather"]["properties"]) == ["city", "at"]


RESULTS = ["rain in Ghent", "sun in Lille"]
