"""Azure OpenAI: OpenAI's API at other addresses, with another header for the key. The v1 API names the model in the body;
the dated versions name a deployment in the path, and themselves in the query.
"""

import re

from . import script
from .openai_api import OpenAi
from .script import demand

VERSION = "2024-10-21"


class Azure(OpenAi):
    """Its v1 API."""

    name = kind = "azure"

    def settings(self):
        return f'base_url: "{self.address}", api_key: "${{UP_KEY}}"'

    def route(self, request):
        check_key(request)
        demand(request.path.startswith("/openai/v1/"), f"nothing is at {request.path}")
        return request.path.removeprefix("/openai/v1/")


class DatedAzure(OpenAi):
    """A dated version of its API."""

    name = "azure-dated"
    kind = "azure"

    def settings(self):
        return f'base_url: "{self.address}", api_key: "${{UP_KEY}}", api_version: "{VERSION}"'

    def route(self, request):
        check_key(request)
        return self.split(request)[1]

    def model(self, request):
        return self.model_of(self.split(request)[0])

    @staticmethod
    def split(request):
        """The deployment, and what of the API."""
        path = re.fullmatch(rf"/openai/deployments/([^/?]+)/([^?]+)\?api-version={VERSION}", request.path)
        demand(path, f"nothing is at {request.path}")
        return path.groups()


def check_key(request):
    demand(request.headers.get("api-key") == script.KEY, "the key is wrong")
    demand("authorization" not in request.headers, "there are two keys")
