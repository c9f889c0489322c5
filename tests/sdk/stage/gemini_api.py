"""Google's Gemini API. A request must be what the official package would have made of the same wishes: it is read into that
package's types and written by its own converters for this API, and nothing may be lost or added on the way.
"""

import json
import re

from google import genai
from google.genai import _common, models, types

from . import script
from .openai_api import data
from .script import Heard, demand
from .server import Provider

# What the package's converters ask about; it calls nobody.
CONVERTER = genai.Client(api_key=script.KEY)._api_client
SIGNATURE = "c2lnbmVkOiB3ZWF0aGVy/+8="
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
USAGE = {
    "promptTokenCount": script.USAGE["input"],
    "candidatesTokenCount": script.USAGE["output"],
    "totalTokenCount": sum(script.USAGE.values()),
}


class Gemini(Provider):
    """Models of the third generation: they sign their calls and want the signatures back."""

    name = kind = "gemini"
    prefix = "gemini-3-"
    signs = True

    def settings(self):
        return f'base_url: "{self.address}/v1beta", api_key: "${{UP_KEY}}"'

    def hear(self, request):
        demand(request.headers.get("x-goog-api-key") == script.KEY, "the key is wrong")
        demand("authorization" not in request.headers, "there are two keys")
        route = re.fullmatch(r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent\?alt=sse)", request.path)
        demand(route, f"nothing is at {request.path}")
        check_shape(route[1], request.body)
        body = plain(request.body)
        heard = Heard(model=self.model_of(route[1]), stream=route[2] != "generateContent")
        heard.system = [part["text"] for part in body.get("systemInstruction", {}).get("parts", [])]
        self.hear_contents(body["contents"], heard)
        for tool in body.get("tools", []):
            for function in tool["functionDeclarations"]:
                heard.tools[function["name"]] = function.get("parametersJsonSchema")
        config = body.get("generationConfig", {})
        heard.schema = config.get("responseJsonSchema")
        demand(not heard.schema or config["responseMimeType"] == "application/json", "a schema, but not of JSON")
        heard.limit, heard.temperature = config.get("maxOutputTokens"), config.get("temperature")
        heard.stop = config.get("stopSequences", [])
        return heard

    def hear_contents(self, contents, heard):
        """Speakers take turns; every call has its result in the turn after it, in order."""
        roles = [content["role"] for content in contents]
        turns = ["user", "model"] * len(roles)
        demand(roles == turns[: len(roles)] and roles[-1] == "user", f"these are no turns: {roles}")
        waiting = []
        for content in contents:
            results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
            calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
            names = [call["name"] for call in waiting]
            demand([result["name"] for result in results] == names, "the results are not those of the calls")
            for call, result in zip(waiting, results, strict=True):
                demand(result.get("id") == call.get("id"), "a result is another call's")
                [(outcome, text)] = result["response"].items()
                demand(outcome in ("output", "error"), f"{outcome} is no outcome")
                heard.results.append((len(heard.results), text))
            if calls and self.signs:
                first = next(part for part in content["parts"] if "functionCall" in part)
                demand(first.get("thoughtSignature") == SIGNATURE, "the first call is not signed")
            signed = [part for part in content["parts"] if "thoughtSignature" in part]
            demand(len(signed) == (1 if calls and self.signs else 0), "there are more signatures than were given")
            waiting = calls
            for part in content["parts"]:
                self.hear_part(part, heard)
        heard.answered = "functionResponse" in contents[-1]["parts"][-1]

    @staticmethod
    def hear_part(part, heard):
        kinds = part.keys() - {"thoughtSignature"}
        demand(len(kinds) == 1, f"a part is one thing: {sorted(kinds)}")
        if "text" in part:
            demand(part["text"], "a text is empty")
            heard.texts.append(part["text"])
        if "inlineData" in part:
            heard.images.append((part["inlineData"]["mimeType"], part["inlineData"]["data"]))
        if "fileData" in part:
            heard.images.append((None, part["fileData"]["fileUri"]))
        if "functionCall" in part:
            heard.calls.append((part["functionCall"]["name"], part["functionCall"]["args"]))

    def answer(self, reply, request):
        said, model = script.answer(request.heard), self.prefix + request.heard.model
        calls = [{"functionCall": self.call(call)} for call in said.calls]
        if calls and self.signs:
            calls[0]["thoughtSignature"] = SIGNATURE
        if not request.heard.stream:
            texts = [{"text": "".join(said.pieces)}] if said.pieces else []
            return reply.json(200, response(model, texts + calls, "STOP"))
        parts = [{"text": piece} for piece in said.pieces] + calls
        if said.breaks or said.cut:
            events = [response(model, parts[:1])]
            events += [error_of(500, "it broke")] if said.breaks else []
            return reply.events([data(event) for event in events], cut=said.cut)
        events = [response(model, [part]) for part in parts]
        # The end comes by itself, with a text that says nothing.
        events.append(response(model, [{"text": ""}], "STOP"))
        return reply.events([data(event) for event in events])

    def call(self, call):
        return {"id": call.id, "name": call.name, "args": json.loads("".join(call.arguments))}

    def fail(self, reply, status, message):
        # A wrong key is a wrong request in this API's eyes; when to come back it says in the body.
        return reply.json(400 if status == 401 else status, error_of(status, message))


class OlderGemini(Gemini):
    """Models of the second generation: calls have neither ids nor signatures."""

    name = "gemini-2"
    prefix = "gemini-2.5-"
    signs = False

    def call(self, call):
        return {"name": call.name, "args": json.loads("".join(call.arguments))}


def check_shape(model, body):
    """The package makes the same of it."""
    known = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    demand(body.keys() <= known, f"there are no {sorted(body.keys() - known)}")
    wishes = {key: value for key, value in body.items() if key not in ("contents", "generationConfig")}
    params = types._GenerateContentParameters(
        model=model,
        contents=[types.Content.model_validate(content) for content in body["contents"]],
        config=types.GenerateContentConfig.model_validate({**wishes, **body.get("generationConfig", {})}),
    )
    made = models._GenerateContentParameters_to_mldev(CONVERTER, params, None, params)
    made = _common.encode_unserializable_types(_common.convert_to_dict(made))
    made = {key: plain(value) for key, value in made.items() if key in known and value}
    sent = {key: plain(value) for key, value in body.items() if value}
    # The package names the one who instructs, which nobody need.
    made.get("systemInstruction", {}).pop("role", None)
    sent.get("systemInstruction", {}).pop("role", None)
    demand(made == sent, f"the package would have sent {json.dumps(made)}")


# What stands in these is the client's own.
FOREIGN = {"args", "parametersJsonSchema", "response", "responseJsonSchema"}


def plain(value):
    """Comparable JSON: the package has two spellings of names, of which the API takes both, and writes bytes in the other
    alphabet of base64.
    """
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, one in value.items():
        key = re.sub("_([a-z])", lambda letter: letter[1].upper(), key)
        if key in ("data", "thoughtSignature"):
            one = one.replace("-", "+").replace("_", "/")
        out[key] = one if key in FOREIGN else plain(one)
    return out


def response(model, parts, finish=None):
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": model, "responseId": "response-1"}


def error_of(status, message):
    details = []
    if status == 401:
        reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **reason}]
    if status == 429:
        details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{script.RETRY_AFTER}s"}]
    code = 400 if status == 401 else status
    return {"error": {"code": code, "message": message, "status": STATUSES[status], "details": details}}
