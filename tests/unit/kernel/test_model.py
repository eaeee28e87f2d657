"""What every parsed model keeps: a number is a number, in each field of each model there is."""

import importlib
import pkgutil
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError, create_model

import meldeweg.ceremony
import meldeweg.gateway
import meldeweg.kernel
import meldeweg.registry
from meldeweg.kernel.model import Frozen, Version1

PACKAGES = (meldeweg.kernel, meldeweg.gateway, meldeweg.registry, meldeweg.ceremony)


def models():
    """Return every frozen model of the packages that parse what is signed or posted."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "__main__" not in found.name and ".store.schema." not in found.name:
                importlib.import_module(found.name)
    waiting, seen = [Frozen], {}
    while waiting:
        for each in waiting.pop().__subclasses__():
            if each.__module__.startswith("meldeweg."):
                seen[f"{each.__module__}.{each.__qualname__}"] = each
            waiting.append(each)
    return seen


MODELS = models()


def takes(model, name, value):
    annotation = model.model_fields[name].rebuild_annotation()
    one = create_model("One", __base__=Frozen, value=(annotation, ...))
    try:
        one.model_validate_json(f'{{"value":{value}}}')
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_true_is_not_a_number(model):
    for name, field in model.model_fields.items():
        if field.annotation is not Any and takes(model, name, "1"):
            assert not takes(model, name, "true"), name


def test_every_version_is_one_that_takes_1_alone():
    versioned = {name for name, model in MODELS.items() if "v" in model.model_fields}
    assert {"meldeweg.kernel.statement.Context", "meldeweg.gateway.receipts.Word"} < versioned
    for name in versioned:
        for value in ("true", "1.0", '"1"', "0", "2", "null"):
            assert not takes(MODELS[name], "v", value), (name, value)
        assert takes(MODELS[name], "v", "1")


def test_a_version_in_memory_is_no_truth_either():
    with pytest.raises(ValidationError):
        TypeAdapter(Version1).validate_python(True)
