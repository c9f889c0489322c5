"""What validators and checks of streams may take and return."""

import unittest

from jackfield import (
    Accept, Hold, Piece, Reject, Release, Repair, Replace, Request, Response, StreamValidator, TokenUsage, ToolCall,
    Validator,
)  # fmt: skip
from jackfield.errors import DefinitionError
from jackfield.testing import Host


def validator(function):
    """A validator with this function."""
    return type("Check", (Validator,), {"validate": function})


class Whole(unittest.TestCase):
    def test_whatever_reads_as_a_verdict_is_one(self):
        rows = [
            (True, Accept()),
            (None, Accept()),
            ([], Accept()),
            (False, Reject()),
            ("too long", Reject("too long")),
            (["too long", "rude"], Reject("too long", "rude")),
            (Accept(score=1), Accept(score=1.0)),
            (Repair("again", score=0.5, issues=["x"]), Repair("again", score=0.5, issues=["x"])),
            (Replace("***", labels={"a": "b"}), Replace("***", labels={"a": "b"})),
        ]
        for returned, verdict in rows:
            with self.subTest(returned=returned):
                self.assertEqual(Host().validate(validator(lambda self, text: returned), "answer"), verdict)
        self.assertNotEqual(Repair("a"), Repair("b"))
        self.assertNotEqual(Accept(), Reject())

    def test_what_is_no_verdict_is_told(self):
        for returned in (1, "", {"ok": True}):
            with self.subTest(returned=returned), self.assertRaisesRegex(TypeError, "validate returned"):
                Host().validate(validator(lambda self, text: returned), "answer")

    def test_what_could_not_cross_to_the_host_is_refused_where_it_is_written(self):
        for make in (
            lambda: Accept(score=1.5),
            lambda: Accept(score=float("nan")),
            lambda: Accept(score=True),
            lambda: Repair(None),
            lambda: Repair("a", issues="one"),
            lambda: Reject(3),
        ):
            with self.assertRaises((TypeError, ValueError)):
                make()

    def test_the_parameters_say_what_is_handed_over(self):
        def all_of_it(self, text, prompt, request, response):
            return [text, prompt, request.task, response.text]

        def typed(self, answer: Response, asked: Request):
            return [answer.text, asked.prompt]

        def usual(self, request: Request, response: Response):
            return [request.prompt, response.text]

        def a_text(self, answer: str):
            return [answer]

        rows = [(all_of_it, ["A", "P", "T", "A"]), (typed, ["A", "P"]), (usual, ["P", "A"]), (a_text, ["A"])]
        for function, seen in rows:
            with self.subTest(function.__name__):
                self.assertEqual(Host().validate(validator(function), "A", "P", task="T"), Reject(*seen))
        with self.assertRaisesRegex(DefinitionError, "what is `answer` of `<lambda>` to be"):
            Host().validate(validator(lambda self, answer: True), "A")

    def test_an_answer_tells_what_the_model_sent(self):
        call = ToolCall("1", "find", '{"q": 1}')

        def look(self, response):
            usage = response.usage
            return [
                str(seen)
                for seen in (response.model, response.attempt, response.finish, response.text_length, response.json(),
                             response.tool_calls[0].name, response.value("/choices/0/message/role"),
                             response.value("/none"), usage.output_tokens)
            ]  # fmt: skip

        verdict = Host().validate(
            validator(look), {"a": "é"}, answered_by="m", attempt=2, finish="length", tool_calls=[call],
            usage=TokenUsage(3, 4),
        )  # fmt: skip
        told = ["m", "2", "length", "15", "{'a': 'é'}", "find", "assistant", "None", "4"]
        self.assertEqual(verdict, Reject(*told))


class Masked(StreamValidator):
    """As tests/guests/rust-window: rejects `secret`, puts `d***` in place of `darn`, and holds back five characters."""

    def push(self, piece: Piece):
        if "secret" in piece.held or "secret" in piece.text:
            return Reject("a forbidden word")
        if piece.kind == "finish":
            return Release()
        if piece.kind == "tool-call":
            return Hold()
        if "darn" in piece.held:
            return Replace(piece.held.replace("darn", "d***"))
        return Release(-5)


class Streams(unittest.TestCase):
    def test_words_in_pieces_are_seen(self):
        rows = [
            (["all ", "is ", "well"], "all is well", None),
            (["it is d", "arn good", " é😀é😀é😀"], "it is d*** good é😀é😀é😀", None),
            (["a sec", "ret"], None, ["a forbidden word"]),
            ([], "", None),
        ]
        for pieces, text, rejected in rows:
            with self.subTest(pieces=pieces):
                streamed = Host().stream(Masked, pieces)
                self.assertEqual(streamed.rejected, rejected)
                if text is not None:
                    self.assertEqual(streamed.text, text)

    def test_each_stream_has_an_object_of_its_own(self):
        class Count(StreamValidator):
            def open(self, request: Request):
                self.seen = 0

            def push(self, piece):
                self.seen += 1
                return None if self.seen == 1 else Release()

        host = Host()
        for _ in range(2):
            self.assertEqual(host.stream(Count, ["a", "b"]).text, "ab")

    def test_what_stays_held_at_the_end_fails_the_test(self):
        class Never(StreamValidator):
            def push(self, piece):
                return None

            def finish(self):
                return Hold()

        with self.assertRaisesRegex(AssertionError, "stays held"):
            Host().stream(Never, ["a"])

    def test_a_check_needs_push_and_says_what_it_returned(self):
        with self.assertRaisesRegex(DefinitionError, "has no `push`"):
            Host().stream(type("Empty", (StreamValidator,), {}), ["a"])
        with self.assertRaisesRegex(TypeError, "push returned int"):
            Host().stream(type("Odd", (StreamValidator,), {"push": lambda self, piece: 3}), ["a"])

    def test_bytes_are_counted_for_the_host(self):
        from jackfield.stream import Held

        held = Held()
        held.push(0, "é😀a")
        self.assertEqual(held.release(0, Release(2)), 6)
        self.assertEqual(held.push(0, "b"), "ab")
        self.assertEqual(held.release(0, Release(-1)), 1)
        self.assertEqual(held.release(0, Release(-5)), 0)
        self.assertEqual(held.release(0, Release()), 1)


if __name__ == "__main__":
    unittest.main()
