"""What a plugin asks of its host, against the played one; and what is said when there is none."""

import unittest

from jackfield import Router, budget, clock, kv, llm, load, log, models
from jackfield.budget import Headroom
from jackfield.kv import KvError
from jackfield.llm import Completion, LlmError
from jackfield.load import LoadState
from jackfield.testing import Host, model


class Functions(unittest.TestCase):
    def test_without_a_host_it_is_told_how_to_get_one(self):
        with self.assertRaisesRegex(RuntimeError, r"`models.names` asks the host.*jackfield.testing.Host"):
            models.names()

    def test_models_are_known_by_name(self):
        known = {"b": model(price=(1, 2), tags=["fast"], capabilities=["tools"], healthy=False), "a": model()}
        with Host(models=known).playing():
            self.assertEqual(models.names(), ["a", "b"])
            info = models.info("b")
            self.assertEqual((info.name, info.input_usd_per_mtok, info.output_usd_per_mtok), ("b", 1, 2))
            self.assertTrue(info.has_tag("fast") and info.can("tools") and not info.can("vision"))
            self.assertAlmostEqual(info.cost_usd(1000, 500), 0.002)
            self.assertIsNone(models.info("a").cost_usd(1, 1))
            self.assertEqual([models.live(name).healthy for name in ("a", "b")], [True, False])
            self.assertIsNone(models.info("c") or models.live("c"))
            self.assertEqual([known.name for known in models.all()], ["a", "b"])

    def test_budgets_and_load(self):
        host = Host(budget={"project": 0.25, "global": Headroom(3.0, 0.9)}, load=LoadState(7, 2, 0.5))
        with host.playing():
            self.assertEqual(budget.remaining(), Headroom(0.25, 0.75))
            self.assertEqual(budget.remaining("global"), Headroom(3.0, 0.9))
            self.assertIsNone(budget.remaining("user"))
            self.assertEqual(load.current(), LoadState(7, 2, 0.5))
            with self.assertRaisesRegex(ValueError, "scope must be one of"):
                budget.remaining("team")

    def test_the_memory_keeps_counts_and_forgets(self):
        host = Host()
        with host.playing():
            self.assertIsNone(kv.get("a"))
            kv.set("a", "é")
            self.assertEqual((kv.get("a"), kv.get_text("a")), ("é".encode(), "é"))
            kv.delete("a")
            self.assertIsNone(kv.get_text("a"))
            self.assertEqual([kv.increment("n", 5, ttl=2), kv.increment("n", -7, ttl=60), kv.increment("n")], [5, -2, -1])
            host.now_ms += 2000
            self.assertEqual(kv.increment("n"), 1)
            kv.set("a", b"x")
            for call, reason in [
                (lambda: kv.increment("a"), "not-a-counter"),
                (lambda: kv.set("", b""), "too-large"),
                (lambda: kv.set("big", bytes(65537)), "too-large"),
            ]:
                with self.assertRaises(KvError) as raised:
                    call()
                self.assertEqual(raised.exception.reason, reason)
            with self.assertRaises(TypeError):
                kv.set("a", 3)

    def test_it_lasts_from_call_to_call(self):
        class Count(Router):
            def route(self, prompt):
                return f"model-{kv.increment('calls')}"

        host = Host()
        self.assertEqual([host.route(Count).models[0] for _ in range(2)], ["model-1", "model-2"])

    def test_the_log_and_the_clock(self):
        host = Host(now_ms=5)
        with host.playing():
            log.info("é")
            log.warn({"half": "\ud800"})
            self.assertEqual((clock.now_ms(), clock.monotonic_ns()), (5, 5_000_000))
        self.assertEqual(host.logged, [("info", "é"), ("warn", "{'half': '\\ud800'}")])

    def test_models_are_asked(self):
        def play(name, messages):
            if name == "dear":
                raise LlmError("budget-exceeded")
            return Completion(f"{name}: {messages}")

        with Host(llm=play).playing():
            answer = llm.complete("m", "hi", system="be brief", temperature=0, reasoning="low")
            told = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
            self.assertEqual(answer.text, f"m: {told}")
            with self.assertRaises(LlmError) as raised:
                llm.complete("dear", [{"role": "user", "content": "hi"}])
            self.assertEqual(raised.exception.reason, "budget-exceeded")
            with self.assertRaises(LlmError):
                llm.embed("m", ["a"])
            with self.assertRaises(ValueError):
                llm.complete("m", "hi", reasoning="much")
        with Host().playing(), self.assertRaises(LlmError) as raised:
            llm.complete("m", "hi")
        self.assertEqual((raised.exception.reason, raised.exception.detail), ("unknown-model", "m"))

    def test_exceptions_of_the_plugin_come_out_as_they_are(self):
        class Broken(Router):
            def route(self, prompt):
                return {}["missing"]

        with self.assertRaises(KeyError):
            Host().route(Broken)
        with self.assertRaisesRegex(TypeError, "is no validator"):
            Host().validate(Broken, "a")
        with self.assertRaisesRegex(TypeError, "a request has no `tsak`"):
            Host().route(Broken, tsak="t")


if __name__ == "__main__":
    unittest.main()
