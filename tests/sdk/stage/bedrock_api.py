"""Amazon Bedrock's Converse. Requests are checked against the service's own description in `botocore`, answers too, and
signatures are made once more by that package.
"""

import base64
import datetime
import json
import re
import urllib.parse

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.validate import ParamValidator

from . import script
from .event_stream import MEDIA_TYPE, frame
from .script import Complaint, Heard, demand
from .server import Provider

SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")
REGION = "eu-west-1"
KEY_ID = "AKIASTAGE0000000000"
TOKEN = "session-5d1f0b77"
# How old a signature may be, in seconds.
MAX_AGE = 300
# Statuses and names of failures.
FAILURES = {
    400: (400, "ValidationException"),
    401: (403, "UnrecognizedClientException"),
    429: (429, "ThrottlingException"),
    500: (500, "InternalServerException"),
    503: (503, "ServiceUnavailableException"),
}
USAGE = {
    "inputTokens": script.USAGE["input"],
    "outputTokens": script.USAGE["output"],
    "totalTokens": sum(script.USAGE.values()),
}


class Bedrock(Provider):
    """Asked with signed requests."""

    name = kind = "bedrock"
    prefix = "eu.anthropic.claude-stage-v1:0-"

    def settings(self):
        key = f'access_key_id: "{KEY_ID}", secret_access_key: "${{UP_KEY}}", session_token: "{TOKEN}"'
        return f'base_url: "{self.address}", region: {REGION}, {key}'

    def check_credentials(self, request):
        check_signature(request)

    def hear(self, request):
        self.check_credentials(request)
        route = re.fullmatch(r"/model/([^/]+)/(converse|converse-stream)", request.path)
        demand(route, f"nothing is at {request.path}")
        model, body = urllib.parse.unquote(route[1]), request.body
        stream = route[2] == "converse-stream"
        operation = SERVICE.operation_model("ConverseStream" if stream else "Converse")
        demand("modelId" not in body, "the model is named twice")
        check(operation.input_shape, {**body, "modelId": model})
        heard = Heard(model=self.model_of(model), stream=stream)
        heard.system = [block["text"] for block in body.get("system", [])]
        hear_messages(body["messages"], heard)
        for tool in body.get("toolConfig", {}).get("tools", []):
            heard.tools[tool["toolSpec"]["name"]] = tool["toolSpec"]["inputSchema"]["json"]
        demand(heard.tools or not heard.calls, "calls, but no tools")
        if form := body.get("outputConfig", {}).get("textFormat"):
            heard.schema = json.loads(form["structure"]["jsonSchema"]["schema"])
        config = body.get("inferenceConfig", {})
        heard.limit, heard.temperature = config.get("maxTokens"), config.get("temperature")
        heard.stop = config.get("stopSequences", [])
        return heard

    def answer(self, reply, request):
        said = script.answer(request.heard)
        if request.heard.stream:
            frames = [frame("event", *event) for event in events_of(said)]
            if said.breaks:
                failed = {"message": "it broke", "originalStatusCode": 500, "originalMessage": "it broke"}
                frames.append(frame("exception", "modelStreamErrorException", failed))
            return reply.stream(MEDIA_TYPE, frames, said.cut)
        content = [{"text": "".join(said.pieces)}] if said.pieces else []
        for call in said.calls:
            content.append({"toolUse": {**start_of(call), "input": json.loads("".join(call.arguments))}})
        answer = {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": stop_of(said), "usage": USAGE, "metrics": {"latencyMs": 12},
        }
        check(SERVICE.shape_for("ConverseResponse"), answer)
        return reply.json(200, answer)

    def fail(self, reply, status, message):
        status, name = FAILURES[status]
        headers = [("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/")]
        headers += [("retry-after", script.RETRY_AFTER)] if status == 429 else []
        return reply.json(status, {"message": message}, headers)


class KeyedBedrock(Bedrock):
    """Asked with an API key, for models behind an inference profile of an application's own."""

    name = "bedrock-key"
    prefix = f"arn:aws:bedrock:{REGION}:123456789012:application-inference-profile/"

    def settings(self):
        return f'base_url: "{self.address}", api_key: "${{UP_KEY}}"'

    def check_credentials(self, request):
        demand(request.headers.get("authorization") == f"Bearer {script.KEY}", "the key is wrong")
        demand("x-amz-date" not in request.headers, "there are two credentials")


def check_signature(request):
    """The package signs the same the same way."""
    form = r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/bedrock/aws4_request, " \
           r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
    given = re.fullmatch(form, request.headers.get("authorization", ""))
    demand(given, "there is no signature")
    key_id, day, region, signed, signature = given.groups()
    demand((key_id, region) == (KEY_ID, REGION), "the credentials are somebody else's")
    signed = signed.split(";")
    demand({"host", "x-amz-date", "x-amz-security-token"} <= set(signed), "what must be signed is not")
    demand(request.headers["x-amz-security-token"] == TOKEN, "the session is another")
    date = request.headers["x-amz-date"]
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    age = now - datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ")
    demand(date.startswith(day) and abs(age.total_seconds()) < MAX_AGE, "the signature is old")
    again = AWSRequest("POST", f"http://{request.headers['host']}{request.path}", data=request.raw)
    for name in signed:
        again.headers[name] = request.headers[name]
    again.context["timestamp"] = date
    signer = SigV4Auth(Credentials(KEY_ID, script.KEY, TOKEN), "bedrock", REGION)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    demand(signer.signature(text, again) == signature, "the signature is wrong")


def check(shape, value):
    """The value is of this shape, and has nothing that the shape has not."""
    report = ParamValidator().validate(value_of(shape, value, shape.name), shape)
    demand(not report.has_errors(), report.generate_report())


def value_of(shape, value, at):
    """JSON as the package's users write it, every text inside its bounds."""
    if getattr(shape, "is_document_type", False):
        return value
    if shape.type_name == "structure":
        demand(isinstance(value, dict), f"{at}: no structure")
        unknown = value.keys() - shape.members.keys()
        demand(not unknown, f"{at}: {shape.name} has no {sorted(unknown)}")
        return {key: value_of(shape.members[key], one, f"{at}.{key}") for key, one in value.items()}
    if shape.type_name == "list":
        demand(isinstance(value, list), f"{at}: no list")
        return [value_of(shape.member, one, f"{at}[{index}]") for index, one in enumerate(value)]
    if shape.type_name == "map":
        return {key: value_of(shape.value, one, f"{at}.{key}") for key, one in value.items()}
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if shape.type_name == "string":
        demand(isinstance(value, str), f"{at}: no text")
        demand(not shape.enum or value in shape.enum, f"{at}: {value!r} is none of {shape.enum}")
        bounds = shape.metadata
        fits = bounds.get("min", 0) <= len(value) <= bounds.get("max", len(value))
        demand(fits and re.fullmatch(bounds.get("pattern", ".*"), value, re.S), f"{at}: {value!r} does not fit")
    return value


def hear_messages(messages, heard):
    """Speakers take turns, the user begins; every call has its result in the turn after it."""
    ids, waiting = [], set()
    for at, message in enumerate(messages):
        demand(message["role"] == ("user", "assistant")[at % 2], "these are no turns")
        demand(message["content"], "somebody says nothing")
        for block in message["content"]:
            if "text" in block:
                demand(block["text"].strip(), "a text is blank")
                heard.texts.append(block["text"])
            elif "image" in block:
                image = block["image"]
                heard.images.append((f"image/{image['format']}", image["source"]["bytes"]))
            elif "toolUse" in block:
                demand(message["role"] == "assistant", "users call nobody")
                call = block["toolUse"]
                demand(isinstance(call["input"], dict), "arguments are an object")
                heard.calls.append((call["name"], call["input"]))
                ids.append(call["toolUseId"])
            elif "toolResult" in block:
                id = block["toolResult"]["toolUseId"]
                demand(id in waiting, f"nobody called {id}")
                waiting.remove(id)
                text = "".join(part["text"] for part in block["toolResult"]["content"])
                heard.results.append((ids.index(id), text))
            else:
                raise Complaint(f"what is {block}?")
        demand(not waiting, f"no result came of {waiting}")
        waiting = {block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block}
    demand(not waiting, f"no result came of {waiting}")
    heard.answered = "toolResult" in messages[-1]["content"][-1]


def start_of(call):
    return {"toolUseId": f"tooluse_{call.id}", "name": call.name}


def stop_of(said):
    return "tool_use" if said.calls else "end_turn"


def events_of(said):
    """Names and payloads, checked against the service's description."""
    for name, payload in all_events_of(said):
        check(SERVICE.shape_for("ConverseStreamOutput").members[name], payload)
        # The service fills its events up, so that their length tells nothing.
        yield name, {**payload, "p": "abcdefgh"}


def all_events_of(said):
    yield "messageStart", {"role": "assistant"}
    pieces = said.pieces[:1] if said.breaks or said.cut else said.pieces
    for piece in pieces:
        yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}
    if said.breaks or said.cut:
        return
    if pieces:
        yield "contentBlockStop", {"contentBlockIndex": 0}
    for index, call in enumerate(said.calls):
        yield "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": start_of(call)}}
        for piece in call.arguments:
            yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": stop_of(said)}
    yield "metadata", {"usage": USAGE, "metrics": {"latencyMs": 12}}
