"""What a router may take and return."""

import unittest

from jackfield import Abstain, Message, Refuse, Request, Respond, Route, Router, Target
from jackfield.errors import DefinitionError
from jackfield.testing import Host


def router(function, **extra):
    """A router with this function."""
    return type("Rule", (Router,), {"route": function, **extra})


class Returned(unittest.TestCase):
    def test_whatever_reads_as_a_decision_is_one(self):
        rows = [
            ("fast", Route("fast")),
            (None, Abstain()),
            ([], Abstain()),
            (["a", Target("b", temperature=1)], Route("a", Target("b", temperature=1.0))),
            (("a",), Route("a")),
            (Target("a", reasoning="low"), Route(Target("a", reasoning="low"))),
            (Route("a", because="why", labels={"x": "y"}), Route("a", because="why", labels={"x": "y"})),
            (Refuse("no", "rate-limited"), Refuse("no", "rate-limited")),
            (Respond("42"), Respond("42")),
        ]
        for returned, decision in rows:
            with self.subTest(returned=returned):
                self.assertEqual(Host().route(router(lambda self, request: returned)), decision)

    def test_decisions_that_differ_are_not_equal(self):
        self.assertNotEqual(Route("a"), Route("b"))
        self.assertNotEqual(Route("a"), Route("a", because="why"))
        self.assertNotEqual(Abstain(), Respond(""))
        self.assertNotEqual(Target("a"), Target("a", max_output_tokens=1))
        self.assertEqual(repr(Route("a", because="why")), "Route(Target('a'), because='why')")

    def test_what_is_no_decision_is_told(self):
        for returned in (True, 3, {"model": "a"}, b"a"):
            with self.subTest(returned=returned), self.assertRaisesRegex(TypeError, "route returned"):
                Host().route(router(lambda self, request: returned))

    def test_what_could_not_cross_to_the_host_is_refused_where_it_is_written(self):
        for make in (
            lambda: Route(),
            lambda: Route(None),
            lambda: Route("\ud800"),
            lambda: Route("a", because=1),
            lambda: Route("a", labels={"n": 1}),
            lambda: Target("a", temperature="hot"),
            lambda: Target("a", max_output_tokens=0),
            lambda: Target("a", max_output_tokens=2**32),
            lambda: Target("a", reasoning="much"),
            lambda: Refuse("no", "teapot"),
            lambda: Respond(None),
        ):
            with self.assertRaises((TypeError, ValueError)):
                make()


class Taken(unittest.TestCase):
    def test_the_parameter_says_what_is_handed_over(self):
        def prompt(self, prompt):
            return prompt

        def text(self, words: str):
            return words

        def quoted(self, words: "str"):
            return words

        def request(self, request):
            return request.prompt

        def typed(self, asked: Request):
            return asked.prompt

        def as_text(self, asked: "jackfield.Request"):  # noqa: F821
            return asked.prompt

        def with_default(self, prompt, _memory=[]):  # noqa: B006
            return prompt

        for function in (prompt, text, quoted, request, typed, as_text, with_default):
            with self.subTest(function.__name__):
                self.assertEqual(Host().route(router(function), "said"), Route("said"))

    def test_what_a_parameter_is_to_be_must_be_clear(self):
        def unclear(self, thing):
            return None

        def too_many(self, prompt, other):
            return None

        async def later(self, prompt):
            return None

        def generator(self, prompt):
            yield "a"

        for function, said in [
            (unclear, r"test_router.py:\d+: what is `thing` of `unclear` to be"),
            (too_many, "what is `other`"),
            (later, r"test_router.py:\d+: Rule.route must be a plain `def`"),
            (generator, "plain `def`"),
        ]:
            with self.subTest(function.__name__), self.assertRaisesRegex(DefinitionError, said):
                Host().route(router(function))
        with self.assertRaisesRegex(DefinitionError, r"test_router.py: Empty has no `route`"):
            Host().route(type("Empty", (Router,), {"__module__": __name__}))

    def test_a_request_tells_what_the_client_sent(self):
        seen = {}

        class Look(Router):
            def route(self, request: Request):
                seen.update(
                    prompt=request.prompt, system=request.system, task=request.task, header=request.header("X-Team"),
                    missing=request.header("x-other"), first=request.message(0), beyond=request.message(9),
                    label=request.label("a"), none=request.label("b"), role=request.value("/messages/1/role"),
                    nowhere=request.value("/nowhere"), has=request.contains("qué"), count=len(request.messages),
                    model=request.value()["model"], streaming=request.streaming,
                )  # fmt: skip

        Host().route(
            Look, "¿qué?", system="be brief", headers={"X-Team": "red"}, task="t", labels={"a": "1"},
            requested_model="m", streaming=True,
        )  # fmt: skip
        self.assertEqual(
            seen,
            dict(
                prompt="¿qué?", system="be brief", task="t", header="red", missing=None, first=Message("system", "be brief"),
                beyond=None, label="1", none=None, role="user", nowhere=None, has=True, count=2, model="m", streaming=True,
            ),
        )  # fmt: skip

    def test_the_last_user_message_is_the_prompt(self):
        messages = [Message("user", "one"), Message("assistant", "two"), Message("user", "three"), Message("tool", "four")]
        self.assertEqual(Host().route(router(lambda self, prompt: prompt), messages=messages), Route("three"))

    def test_init_runs_once_and_keeps_what_it_prepared(self):
        class Prepared(Router):
            made = 0

            def __init__(self):
                Prepared.made += 1
                self.words = {"urgent"}

            def route(self, prompt):
                return "fast" if prompt in self.words else None

        host = Host()
        self.assertEqual([host.route(Prepared, word) for word in ("urgent", "calm")], [Route("fast"), Abstain()])
        self.assertEqual(Prepared.made, 1)


if __name__ == "__main__":
    unittest.main()
