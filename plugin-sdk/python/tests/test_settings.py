"""What settings may be declared, what is read of a `config:`, and what is said when it does not fit."""

import dataclasses
import enum
import json
import unittest
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

from jackfield import ConfigError, Router, _settings
from jackfield.errors import DefinitionError
from jackfield.testing import Host


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Inner:
    low: float
    high: float = 1.0

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("`low` must not be more than `high`")


@dataclass
class Settings:
    text: str = "a"
    number: int = 1
    share: float = 0.5
    on: bool = False
    words: list[str] = field(default_factory=list)
    pair: tuple[int, ...] = ()
    prices: dict[str, float] = field(default_factory=dict)
    maybe: Optional[str] = None
    either: int | str | None = None
    level: Literal["low", "high", 3] = "low"
    colour: Colour = Colour.RED
    inner: Optional[Inner] = None
    inners: list[Inner] = field(default_factory=list)
    anything: Any = None
    made: list = field(init=False, default_factory=list)


class Configured(Router):
    config: Settings

    def route(self, prompt):
        return None


def read(config, plugin=Configured):
    return _settings.reader(plugin)(json.dumps(config))


class Read(unittest.TestCase):
    def test_each_type_is_read(self):
        self.assertEqual(read({}), Settings())
        self.assertEqual(_settings.reader(Configured)("null"), Settings())
        rows = [
            ("text", "é", "é"), ("number", 3, 3), ("share", 1, 1.0), ("on", True, True), ("words", ["a"], ["a"]),
            ("pair", [1, 2], (1, 2)), ("prices", {"a": 1}, {"a": 1.0}), ("maybe", None, None), ("maybe", "x", "x"),
            ("either", 3, 3), ("either", "x", "x"), ("level", "high", "high"), ("level", 3, 3),
            ("colour", "blue", Colour.BLUE), ("inner", {"low": 0}, Inner(0.0)), ("inners", [{"low": 0}], [Inner(0.0)]),
            ("anything", {"a": [1]}, {"a": [1]}),
        ]  # fmt: skip
        for key, given, meant in rows:
            with self.subTest(key=key):
                found = getattr(read({key: given}), key)
                self.assertEqual(found, meant)
                self.assertIs(type(found), type(meant))

    def test_what_does_not_fit_is_told_with_its_place(self):
        rows = [
            ({"txet": "a"}, "unknown key `txet`; did you mean `text`?"),
            ({"inner": {"low": 0, "hihg": 1}}, "unknown key `inner.hihg`; did you mean `high`?"),
            ({"made": []}, "unknown key `made`;"),
            ({"zzz": []}, "unknown key `zzz`; known: `text`, `number`,"),
            ({"text": 1}, "`text` must be a text, not 1"),
            ({"number": True}, "`number` must be a whole number, not true"),
            ({"number": 1.5}, "`number` must be a whole number, not 1.5"),
            ({"share": "x"}, '`share` must be a number, not "x"'),
            ({"on": 1}, "`on` must be true or false, not 1"),
            ({"words": "a"}, '`words` must be a list, not "a"'),
            ({"words": ["a", 2]}, "`words[1]` must be a text, not 2"),
            ({"prices": {"a": "b"}}, '`prices.a` must be a number, not "b"'),
            ({"maybe": 1}, "`maybe` must be a text, not 1"),
            ({"either": 1.5}, "`either` must be a whole number, not 1.5, or `either` must be a text"),
            ({"level": "hihg"}, '`level` must be one of "low", "high", 3, not "hihg"; did you mean "high"?'),
            ({"colour": "green"}, '`colour` must be one of "red", "blue", not "green"'),
            ({"inner": {}}, "`inner.low` is missing"),
            ({"inner": {"low": 2}}, "inner: `low` must not be more than `high`"),
            ({"inners": [{"low": 0}, {"low": "x"}]}, '`inners[1].low` must be a number, not "x"'),
            ([1], "the settings must be an object, not [1]"),
        ]
        for config, said in rows:
            with self.subTest(config=config), self.assertRaises(ConfigError) as raised:
                read(config)
            self.assertTrue(str(raised.exception).startswith(said), raised.exception)

    def test_a_plugin_without_settings_takes_none(self):
        class Plain(Router):
            def route(self, prompt):
                return self.config.word

        self.assertIsNone(read({}, Plain))
        with self.assertRaisesRegex(ConfigError, "takes no settings"):
            read({"a": 1}, Plain)
        with self.assertRaisesRegex(AttributeError, "declares no settings: write `config: Settings`"):
            Host().route(Plain)

    def test_settings_are_not_there_while_a_plugin_is_made(self):
        class Early(Router):
            config: Settings

            def __init__(self):
                self.word = self.config.text

            def route(self, prompt):
                return None

        with self.assertRaisesRegex(AttributeError, "`__init__` runs before"):
            Host().route(Early)

    def test_settings_are_inherited_and_may_be_a_plain_dict(self):
        class Child(Configured):
            pass

        class Loose(Router):
            config: dict

            def route(self, prompt):
                return self.config["model"]

        self.assertEqual(read({"number": 2}, Child).number, 2)
        self.assertEqual(Host(config={"model": "m"}).route(Loose).models, ["m"])

    def test_a_type_that_no_setting_can_have_fails_the_build(self):
        for declared in (bytes, complex, dict[int, str], tuple[int, str], set):
            settings = dataclasses.make_dataclass("Odd", [("x", declared)])
            plugin = type("Plugin", (Configured,), {"__annotations__": {"config": settings}, "__module__": __name__})
            with self.subTest(declared=declared), self.assertRaisesRegex(DefinitionError, "Odd.x has the type"):
                _settings.reader(plugin)


if __name__ == "__main__":
    unittest.main()
