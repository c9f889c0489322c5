"""Which class of a folder is the plugin, and what is said when that is not clear."""

import tempfile
import unittest
from pathlib import Path

from jackfield import _find

RULE = "from jackfield import Router\nclass Rule(Router):\n    pass\n"


def find(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return _find.find(Path(folder), sorted(files))


class Find(unittest.TestCase):
    def test_the_only_subclass_is_found_however_it_is_written(self):
        rows = [
            ({"router.py": RULE}, ("router", "Rule", ["router"])),
            ({"a.py": "import jackfield\nclass A(jackfield.Validator): pass\n"}, ("a", "A", ["validator"])),
            ({"a.py": "import jackfield as jf\nclass A(jf.Validator): pass\n"}, ("a", "A", ["validator"])),
            ({"a.py": "from jackfield import Router as R\nclass A(\n  object,\n  R,\n): pass\n"}, ("a", "A", ["router"])),
            ({"a.py": "from jackfield.stream import StreamValidator\nclass A(StreamValidator): pass\n"},
             ("a", "A", ["stream-validator"])),
            ({"a.py": "from jackfield import *\nclass A(Router, Validator): pass\n"},
             ("a", "A", ["router", "validator"])),
            ({"base.py": "from jackfield import Router\nclass Base(Router): pass\n",
              "b.py": "from base import Base\nclass B(Base): pass\n"}, ("b", "B", ["router"])),
            ({"base.py": "from jackfield import Router\nclass Base(Router): pass\n",
              "b.py": "import base\nclass B(base.Base): pass\n"}, ("b", "B", ["router"])),
            ({"p/__init__.py": "from .base import Base\n", "p/base.py": "from jackfield import Router\nclass Base(Router): pass\n",
              "b.py": "from p import Base\nclass B(Base): pass\n"}, ("b", "B", ["router"])),
            ({"p/__init__.py": "", "p/rule.py": RULE}, ("p.rule", "Rule", ["router"])),
            ({"a.py": "try:\n  from jackfield import Router\nexcept ImportError:\n  raise\nif True:\n  class A(Router): pass\n"},
             ("a", "A", ["router"])),
            ({"a.py": RULE + "class Other: pass\ndef f():\n  class Hidden(Router): pass\n"}, ("a", "Rule", ["router"])),
            ({"a.py": RULE, "b.py": "from a import Rule\n"}, ("a", "Rule", ["router"])),
        ]  # fmt: skip
        for files, (module, name, kinds) in rows:
            with self.subTest(files=files):
                found = find(files)
                self.assertEqual((found["module"], found["class"], found["kinds"]), (module, name, kinds))

    def test_models_are_asked_where_llm_is_imported(self):
        for text, llm in [
            ("", False),
            ("from jackfield import llm\n", True),
            ("import jackfield.llm\n", True),
            ("from jackfield.llm import complete\n", True),
            ("def f():\n    from jackfield import kv, llm\n", True),
            ("from other import llm\n", False),
        ]:
            with self.subTest(text=text):
                self.assertIs(find({"a.py": RULE + text})["llm"], llm)

    def test_what_is_not_clear_is_told_with_its_place(self):
        rows = [
            ({"a.py": "x = 1\n"}, "", r"no class here is a subclass of Router.*looked in: a.py"),
            ({"a.py": "class Router: pass\nclass A(Router): pass\n"}, "", "no class here"),
            ({}, "", "no .py file"),
            ({"a.py": RULE, "b.py": RULE}, "b.py:2", r"2 classes could be the plugin: Rule \(a.py:2\), Rule \(b.py:2\)"),
            ({"class.py": RULE}, "class.py:2", "cannot import a module called `class`"),
            ({"my-rule.py": RULE}, "my-rule.py:2", "cannot import a module called `my-rule`"),
            ({"a.py": "def x(:\n"}, "a.py:1", r'(?s)File "a.py", line 1\n.*def x\(:\n.*SyntaxError'),
            ({"a.py": "x = '\0'"}, "a.py:1", "null bytes"),
        ]
        for files, place, said in rows:
            with self.subTest(files=files), self.assertRaisesRegex(_find.Fault, said) as raised:
                find(files)
            self.assertEqual(raised.exception.place, place)


if __name__ == "__main__":
    unittest.main()
