"""The stage and the official client, for every test."""

import pathlib
import sys

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from stage.gateway import CLIENT_KEY, PATIENCE, stage  # noqa: E402
from stage.kinds import KINDS  # noqa: E402


@pytest.fixture(scope="session")
def running():
    with stage() as running:
        yield running


@pytest.fixture(scope="session")
def gateway(running):
    """The URL of the gateway."""
    return running.url


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key=CLIENT_KEY, max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def seen(running):
    """The requests that the provider of OpenAI's API got during this test."""
    requests = running.providers["openai"].requests
    requests.clear()
    return requests


@pytest.fixture(params=list(KINDS))
def kind(request):
    """A kind of provider; its models are named `KIND-ID`."""
    return request.param
