"""The stage and the official clients, for every test."""

import anthropic
import openai
import pytest

from stage.gateway import CLIENT_KEY, PATIENCE, stage
from stage.kinds import KINDS


@pytest.fixture(scope="session")
def running():
    with stage() as running:
        yield running


@pytest.fixture(autouse=True)
def no_complaints(running):
    """Whatever a test expects, no provider is sent what its API does not take."""
    yield
    assert running.complaints() == []


@pytest.fixture(scope="session")
def gateway(running):
    """The URL of the gateway."""
    return running.url


@pytest.fixture(scope="session")
def client(gateway):
    """OpenAI's."""
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key=CLIENT_KEY, max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope="session")
def claude(gateway):
    """Anthropic's."""
    with anthropic.Anthropic(base_url=gateway, api_key=CLIENT_KEY, max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(params=list(KINDS))
def kind(request):
    """A kind of provider; its models are named `KIND-ID`."""
    return request.param


@pytest.fixture
def seen(running, kind):
    """The requests that the provider of this kind got during this test."""
    requests = running.providers[kind].requests
    requests.clear()
    return requests
