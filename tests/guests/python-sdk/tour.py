"""The tour of ../python through the SDK: every module of it meets the real host once, with the same answers."""

from jackfield import InputError, Refuse, Request, Respond, Route, Target, budget, clock, kv, load, log, models
from jackfield._settings import current

# How often the task `calls` calls the host; the bench divides by it.
CALLS = 1000


def yes(condition: bool) -> str:
    return "yes" if condition else "no"


def present(value, none: str = "none"):
    return none if value is None else value


def refusal(call) -> str:
    """Why the store refuses."""
    try:
        call()
    except kv.KvError as error:
        return error.reason
    return "none"


def read_request(request: Request) -> list[str]:
    """What a request says."""
    first = request.message(0)
    return [
        f"contains={yes(request.contains('tour'))},{yes(request.contains('detour'))}",
        f"prompt={len(request.prompt)}",
        f"system={request.system}",
        f"first={first.role},{first.text},{yes(first.has_image)}",
        f"beyond={present(request.message(9))}",
        f"messages={','.join(message.role for message in request.messages)}",
        f"header={present(request.header('X-Tour'))},{present(request.header('authorization'))}",
        f"label={present(request.label('none-gave-it'))}",
        f"body={yes(request.body.startswith('{'))}",
        f'pointer="{request.value("/messages/0/role")}",{present(request.value("/nowhere"))}',
    ]


def read_host() -> list[str]:
    """What `models`, `load` and `budget` say."""
    info = models.info("fast-model")
    live = models.live("fast-model")
    state = load.current()
    known = [model.name for model in models.all()]
    assert known == models.names() and info.has_tag("fast") and info.cost_usd(1_000_000, 0) == 0.25
    return [
        f"names={','.join(known)}",
        f"info={info.name},{info.provider},{info.context_window},{info.input_usd_per_mtok * 100:g},{'+'.join(info.tags)}",
        f"unknown={present(models.info('no-such-model'))},{present(models.live('no-such-model'))}",
        f"live={yes(live.healthy)},{live.in_flight},{yes(live.error_rate == 0)}",
        f"load={yes(state.in_flight >= 1)},{state.queued},{yes(present(state.cpu, 0) <= 1)}",
        f"budget={','.join(yes(budget.remaining(scope) is None) for scope in ('project', 'user', 'global'))}",
    ]


def use_store() -> list[str]:
    """What `kv` keeps, and what it refuses."""
    kv.delete("word")
    kv.delete("count")
    before = present(kv.get("word"))
    kv.set("word", "kept")
    kept = kv.get_text("word")
    kv.increment("count", 5, ttl=60)
    count = kv.increment("count", -12, ttl=60)
    return [
        f"kv={before},{kept},{count},{kv.get_text('count')}",
        f"refused={refusal(lambda: kv.increment('word'))},{refusal(lambda: kv.set('', b''))}",
    ]


def read_self() -> list[str]:
    """What `config`, `clock` and `log` do."""
    earlier = clock.monotonic_ns()
    log.info("the tour passed here: é😀")
    return [
        f"config={current()}",
        f"clock={yes(clock.now_ms() > 1_600_000_000_000)},{yes(clock.monotonic_ns() >= earlier)}",
    ]


def chosen(reason: str) -> Route:
    return Route("fast-model", because=reason)


def probe(request: Request) -> Route:
    return chosen("; ".join(read_request(request) + read_host() + use_store() + read_self()))


def refuse(_request: Request) -> Refuse:
    return Refuse("not on the tour", "forbidden", because="refused")


def respond(_request: Request) -> Respond:
    return Respond("the tour answers é😀", because="answered")


def override(_request: Request) -> Route:
    target = Target(
        "smart-model", temperature=0.5, max_output_tokens=64, reasoning="low", prompt_template="In short: ${input}"
    )
    return Route(target, because="changed", labels={"tour": "python"})


def fail(_request: Request) -> None:
    raise InputError("the tour fails")


def unread(request: Request) -> Route:
    return chosen(f"{request.message_count} messages, tools: {yes(request.has_tools)}")


def text(request: Request) -> Route:
    return chosen(f"found: {yes('tour' in request.prompt)}")


def calls(_request: Request) -> Route:
    for _ in range(CALLS):
        clock.monotonic_ns()
    return chosen(f"called {CALLS} times")


TOUR = {branch.__name__: branch for branch in (probe, refuse, respond, override, fail, unread, text, calls)}
