"""Embeddings through the official package, which asks for base64 by itself."""

import openai
import pytest

from stage.kinds import KINDS
from stage.script import EMBEDDED, VECTOR

EMBEDS = [name for name, kind in KINDS.items() if kind.embeds]


@pytest.mark.parametrize("kind", EMBEDS)
@pytest.mark.parametrize("encoding", [None, "base64", "float"])
def test_texts(client, kind, encoding):
    extra = {} if encoding is None else {"encoding_format": encoding}
    answer = client.embeddings.create(model=f"{kind}-ok", input=["a", "b"], **extra)
    assert (answer.usage.prompt_tokens, len(answer.data)) == (EMBEDDED["input"], 2)
    if encoding != "base64":
        assert [entry.embedding for entry in answer.data] == [VECTOR, VECTOR]


@pytest.mark.parametrize("kind", EMBEDS)
def test_the_request_is_the_clients_own(client, kind, seen):
    client.embeddings.create(model=f"{kind}-ok", input="a", dimensions=2, user="u")
    want = {"model": "ok", "input": "a", "dimensions": 2, "user": "u", "encoding_format": "base64"}
    assert seen[0].body == want
    client.embeddings.create(model=f"{kind}-ok", input=[[1, 2], [3]])
    assert seen[1].body["input"] == [[1, 2], [3]]


@pytest.mark.parametrize("kind", EMBEDS)
@pytest.mark.parametrize(
    ("id", "error"),
    [("fails-400", openai.BadRequestError), ("fails-429", openai.RateLimitError), ("fails-500", openai.InternalServerError)],
)
def test_failures_are_the_sdks_own(client, kind, id, error):
    with pytest.raises(error):
        client.embeddings.create(model=f"{kind}-{id}", input="a")


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in EMBEDS])
def test_a_kind_without_embeddings_says_so(client, kind, seen):
    with pytest.raises(openai.BadRequestError) as raised:
        client.embeddings.create(model=f"{kind}-ok", input="a")
    assert raised.value.code == "unsupported_parameter"
    assert not seen


def test_the_simulation_makes_unit_vectors(client):
    one = client.embeddings.create(model="simulated", input="a").data[0].embedding
    assert len(one) == 8 and abs(sum(n * n for n in one) - 1) < 1e-5
    again = client.embeddings.create(model="simulated", input=["b", "a"], encoding_format="float")
    assert again.data[1].embedding == pytest.approx(one)
    assert len(client.embeddings.create(model="simulated", input="a", dimensions=64).data[0].embedding) == 64
