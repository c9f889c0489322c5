"""One branch a task, so that every interface, every kind of decision and every failure of the contract is
met once in Python: a clash of names or a wrong lowering shows as a wrong answer.

The same tour, with the same answers, is in ../js/tour.js and ../rust-bench/src/tour.rs;
tests/tests/all/guests.rs compares them, and tests/benches/plugins.rs times some branches.
"""

from componentize_py_types import Err
from wit_world.imports import budget, clock, config, kv, load, log, models
from wit_world.imports import request as host
from wit_world.imports.types import (
    Decision_Reject,
    Decision_Respond,
    PluginError_InvalidInput,
    ReasoningLevel,
    RejectClass,
    Rejection,
    Routing,
)

from answer import to_model

# How often the task `calls` calls the host; the bench divides by it.
CALLS = 1000


def yes(condition: bool) -> str:
    return "yes" if condition else "no"


def present(value, none: str = "none"):
    return none if value is None else value


def refusal(call) -> str:
    """The name of the error that a call of the store ends with, as WIT spells it; errors are raised."""
    try:
        call()
    except Err as error:
        return error.value.name.lower().replace("_", "-")
    return "none"


def read_request() -> list[str]:
    """What each function of `request` says."""
    first = host.message_at(0)
    return [
        f"contains={yes(host.contains('tour'))},{yes(host.contains('detour'))}",
        f"prompt={len(host.last_user_text())}",
        f"system={host.system_text()}",
        f"first={first.role},{first.text},{yes(first.has_image)}",
        f"beyond={present(host.message_at(9))}",
        f"messages={','.join(message.role for message in host.messages())}",
        f"header={present(host.header('x-tour'))},{present(host.header('authorization'))}",
        f"label={present(host.label_value('none-gave-it'))}",
        f"body={yes(host.body().startswith('{'))}",
        f"pointer={host.body_pointer('/messages/0/role')},{present(host.body_pointer('/nowhere'))}",
    ]


def read_host() -> list[str]:
    """What `models`, `load` and `budget` say."""
    info = models.info("fast-model")
    live = models.live("fast-model")
    state = load.current()
    scopes = (budget.Scope.PROJECT, budget.Scope.USER, budget.Scope.GLOBAL)
    return [
        f"names={','.join(models.names())}",
        f"info={info.name},{info.provider},{info.context_window},{info.input_usd_per_mtok * 100:g},{'+'.join(info.tags)}",
        f"unknown={present(models.info('no-such-model'))},{present(models.live('no-such-model'))}",
        f"live={yes(live.healthy)},{live.in_flight},{yes(live.error_rate == 0)}",
        f"load={yes(state.in_flight >= 1)},{state.queued},{yes(present(state.cpu, 0) <= 1)}",
        f"budget={','.join(yes(budget.remaining(scope) is None) for scope in scopes)}",
    ]


def use_store() -> list[str]:
    """What `kv` keeps, and what it refuses."""
    kv.delete("word")
    kv.delete("count")
    before = present(kv.get("word"))
    kv.set("word", b"kept", None)
    kept = kv.get("word").decode()
    kv.increment("count", 5, 60_000)
    count = kv.increment("count", -12, 60_000)
    return [
        f"kv={before},{kept},{count},{kv.get('count').decode()}",
        f"refused={refusal(lambda: kv.increment('word', 1, None))},{refusal(lambda: kv.set('', b'', None))}",
    ]


def read_self() -> list[str]:
    """What `config`, `clock` and `log` do."""
    earlier = clock.monotonic_ns()
    log.write(log.Level.INFO, "the tour passed here: é😀")
    return [
        f"config={config.get()}",
        f"clock={yes(clock.now_ms() > 1_600_000_000_000)},{yes(clock.monotonic_ns() >= earlier)}",
    ]


def chosen(reason: str) -> Routing:
    return Routing(to_model("fast-model"), reason, [])


def probe(_request) -> Routing:
    seen = read_request() + read_host() + use_store() + read_self()
    return chosen("; ".join(seen))


def refuse(_request) -> Routing:
    rejection = Rejection(class_=RejectClass.FORBIDDEN, message="not on the tour")
    return Routing(Decision_Reject(rejection), "refused", [])


def respond(_request) -> Routing:
    return Routing(Decision_Respond("the tour answers é😀"), "answered", [])


def override(_request) -> Routing:
    decision = to_model(
        "smart-model",
        temperature=0.5,
        max_output_tokens=64,
        reasoning=ReasoningLevel.LOW,
        prompt_template="In short: ${input}",
    )
    return Routing(decision, "changed", [("tour", "python")])


def fail(_request) -> Routing:
    raise Err(PluginError_InvalidInput("the tour fails"))


def unread(request) -> Routing:
    reason = f"{request.message_count} messages, tools: {yes(request.has_tools)}"
    return chosen(reason)


def text(_request) -> Routing:
    return chosen(f"found: {yes('tour' in host.last_user_text())}")


def calls(_request) -> Routing:
    for _ in range(CALLS):
        clock.monotonic_ns()
    return chosen(f"called {CALLS} times")


TOUR = {
    branch.__name__: branch
    for branch in (probe, refuse, respond, override, fail, unread, text, calls)
}
