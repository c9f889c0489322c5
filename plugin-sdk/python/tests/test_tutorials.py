"""The three tutorials, under the played host; `jackfield plugin test` holds their components to the shared cases."""

import importlib.util
import sys
import unittest
from pathlib import Path

from jackfield import Abstain, Accept, Reject, Repair, Route
from jackfield.testing import Host, model

TUTORIALS = Path(__file__).parent.parent / "tutorials"


def tutorial(folder, file, name):
    """A tutorial's class."""
    spec = importlib.util.spec_from_file_location(f"tutorial_{folder}", TUTORIALS / folder / file)
    module = importlib.util.module_from_spec(spec)
    # The class's annotations are looked up in its module.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


class Tutorials(unittest.TestCase):
    def test_urgent(self):
        urgent = tutorial("urgent", "router.py", "Urgent")
        for prompt, config, name in [
            ("This is urgent", {}, "fast-model"),
            ("This can wait", {}, "smart-model"),
            ("Es eilt", {"keyword": "eilt", "model": "a"}, "a"),
            ("This is urgent", {"keyword": "eilt", "otherwise": "b"}, "b"),
        ]:
            self.assertEqual(Host(config=config).route(urgent, prompt), Route(name))

    def test_polite(self):
        polite = tutorial("polite", "validator.py", "Polite")
        host = Host(config={"forbidden": ["damn", "heck"]})
        for answer, verdict in [
            ("Good day", Accept(score=1.0)),
            ("DAMN", Repair("Say it again without the word `damn`.")),
            ("damn and Heck", Reject("the answer contains `damn`", "the answer contains `heck`")),
        ]:
            self.assertEqual(host.validate(polite, answer), verdict)

    def test_frugal(self):
        frugal = tutorial("frugal", "router.py", "Frugal")
        known = {
            "dear": model(price=(10, 1), tags=["cheap"]),
            "sick": model(price=(0.1, 1), healthy=False),
            "mid": model(price=(1, 1)),
            "unpriced": model(),
        }
        host = Host(models=known, budget={"project": 0.9})
        told = dict(because="request 1: mid at $1.00 per million", labels={"frugal": "no"})
        self.assertEqual(host.route(frugal), Route("mid", **told))
        host.budget = Host(budget={"project": 0.2}).budget
        self.assertEqual(host.route(frugal).models, ["mid"])
        host.budget = Host(budget={"project": 0.1}).budget
        told = dict(because="request 3: dear at $10.00 per million", labels={"frugal": "yes"})
        self.assertEqual(host.route(frugal), Route("dear", **told))
        host.config = {"models": ["mid", "sick"]}
        self.assertEqual(host.route(frugal), Abstain("no model is cheap and healthy"))


if __name__ == "__main__":
    unittest.main()
