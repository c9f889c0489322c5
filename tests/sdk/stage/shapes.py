"""Whether JSON is what a package's own types say that its API takes: the `TypedDict`s of `openai` and `anthropic`, without
a field that they do not know. Types that JSON cannot be (files, classes) fit nothing.
"""

import collections.abc
import functools
import types
import typing

import typing_extensions as ext

from .script import Complaint

hints_of = functools.lru_cache(maxsize=None)(lambda shape: ext.get_type_hints(shape, include_extras=True))

PLAIN = {str: str, bool: bool, int: int, type(None): type(None)}


def check(shape, value, at="body"):
    """Complains unless the value has this shape."""
    if wrong := fault(shape, value, at):
        raise Complaint(wrong)


def fault(shape, value, at):
    """What is wrong with the value, or `None`."""
    if shape in (object, typing.Any):
        return None
    if ext.is_typeddict(shape):
        return fault_of_fields(shape, value, at)
    origin, inner = ext.get_origin(shape), ext.get_args(shape)
    if origin in (ext.Required, ext.NotRequired, ext.ReadOnly, ext.Annotated):
        return fault(inner[0], value, at)
    if origin in (typing.Union, types.UnionType):
        return fault_of_union(inner, value, at)
    if origin is ext.Literal:
        return None if value in inner else f"{at}: {value!r} is none of {inner}"
    if origin in (list, collections.abc.Iterable, collections.abc.Sequence):
        if not isinstance(value, list):
            return f"{at}: {value!r} is no list"
        return first(fault(inner[0], one, f"{at}[{index}]") for index, one in enumerate(value))
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return f"{at}: {value!r} is no object"
        return first(fault(inner[1], one, f"{at}.{key}") for key, one in value.items())
    if shape is float:
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        good = shape in PLAIN and type(value) is PLAIN[shape]
    return None if good else f"{at}: {value!r} is no {shape}"


def fault_of_fields(shape, value, at):
    if not isinstance(value, dict):
        return f"{at}: {value!r} is no {shape.__name__}"
    hints = hints_of(shape)
    if unknown := value.keys() - hints.keys():
        return f"{at}: {shape.__name__} has no {sorted(unknown)}"
    # What the class itself says of it is wrong where annotations are texts.
    needed = {key for key, hint in hints.items() if ext.get_origin(hint) is ext.Required}
    if missing := needed - value.keys():
        return f"{at}: {shape.__name__} lacks {sorted(missing)}"
    return first(fault(hints[key], one, f"{at}.{key}") for key, one in value.items())


def fault_of_union(shapes, value, at):
    faults = []
    for shape in shapes:
        wrong = fault(shape, value, at)
        if wrong is None:
            return None
        faults.append(wrong)
    # The one that came furthest says most.
    return max(faults, key=lambda wrong: wrong.split(":")[0].count("."))


def first(faults):
    return next(filter(None, faults), None)
