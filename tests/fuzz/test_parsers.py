"""The list of targets is held to the code: every parser that is named is there and is called, and
no function that reads bytes is forgotten."""

import ast
import functools
import gc
import importlib
import inspect
import sys
from pathlib import Path

import pytest

import meldeweg
from fuzz.parsers import NOT_FOREIGN, PARSERS
from fuzz.targets import TARGETS

_Cached = type(functools.cache(id))
SOURCE = Path(meldeweg.__file__).parent
# Calls by which bytes, or text, become something else.
READING = {
    *("loads", "model_validate_json", "b64decode", "a2b_base64", "b64u_decode", "from_bytes"),
    *("fromhex", "fromisoformat", "parsedate_to_datetime", "unpack", "unpack_from", "iter_unpack"),
    *("read_signed", "ZipFile", "b64url"),
}


def found(named):
    """Return the function or the class that `module:name` names."""
    module, _, name = named.partition(":")
    value = importlib.import_module(f"meldeweg.{module}")
    for part in name.split("."):
        value = inspect.getattr_static(value, part)
    return value.__func__ if isinstance(value, classmethod) else value


def place(code):
    return code.co_filename, code.co_firstlineno


@functools.cache
def called(name):
    """Return (functions, models) that a target's seeds reach; a model is reached by its `read`."""
    functions, models = set(), set()

    def hook(frame, what, _):
        if what == "call" and "meldeweg" in frame.f_code.co_filename:
            functions.add(place(frame.f_code))
            if frame.f_code.co_name in ("read", "read_signed"):
                models.add(frame.f_locals.get("cls"))

    target = TARGETS[name]
    seeds = target.seeds()
    for data in seeds:
        target.run(data)  # what a target prepares once is not what it calls
    for each in gc.get_objects():
        if isinstance(each, _Cached) and (each.__module__ or "").startswith("meldeweg."):
            each.cache_clear()
    before = sys.getprofile()
    sys.setprofile(hook)
    try:
        for data in seeds:
            target.run(data)
    finally:
        sys.setprofile(before)
    return functions, models


def test_every_target_says_which_parsers_it_is_for():
    assert set(PARSERS) == set(TARGETS)
    assert all(PARSERS.values())


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_every_parser_that_is_named_is_there_and_is_called_by_its_target(name):
    functions, models = called(name)
    for each in PARSERS[name]:
        parser = found(each)
        if inspect.isclass(parser):
            assert parser in models, each
        else:
            assert place(inspect.unwrap(parser).__code__) in functions, each


def reading_functions():
    """Yield (file, first line, module:name) of every function that reads bytes by itself."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        yield from _below(tree, path, module.removesuffix(".__init__"), ())


def _below(node, path, module, names, outer=None):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
            inner = (str(path), first, f"{module}:{'.'.join((*names, child.name))}")
            yield from _below(child, path, module, (*names, child.name), inner)
        elif isinstance(child, ast.ClassDef):
            yield from _below(child, path, module, (*names, child.name), outer)
        else:
            if outer and isinstance(child, ast.Call) and _reads(child):
                yield outer
            yield from _below(child, path, module, names, outer)


def _reads(call):
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    # A model of ours: `Order.read(data, "body-malformed")`
    model = name == "read" and len(call.args) == 2 and isinstance(call.args[1], ast.Constant)
    return name in READING or (model and isinstance(call.args[1].value, str))


def test_no_function_that_reads_bytes_is_without_a_target_or_a_reason():
    reached = set().union(*(called(name)[0] for name in TARGETS))
    reading = {named: (file, line) for file, line, named in reading_functions()}
    assert len(reading) > 40
    left = {named for named, at in reading.items() if at not in reached}
    assert left == set(NOT_FOREIGN), sorted(left ^ set(NOT_FOREIGN))
    assert all(NOT_FOREIGN.values())
