"""What flows raise and what the catalogue explains stay one: read from the source of the flows."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from meldeweg.gateway.api.problems import catalogue

# Every module that runs while a request is answered and says no by itself.
FLOWS = (
    "gateway.addressing",
    "gateway.answering",
    "gateway.api.auth",
    "gateway.api.reading",
    "gateway.cursor",
    "gateway.directory",
    "gateway.drafting",
    "gateway.inbox",
    "gateway.intake",
    "gateway.order",
    "gateway.posting",
    "gateway.quarantine",
    "gateway.reopening",
    "gateway.room",
    "gateway.sealing",
    "gateway.sentbox",
    "gateway.store.writer",
    "gateway.trustfeed",
)
# Raised there, and caught there or only while the service stops: `unavailable` or `refused` do.
INNER = {"message-exchanged", "signer-unknown", "store-stopped"}


def raised(name):
    source = Path(import_module(f"meldeweg.{name}").__file__).read_text()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("Refused", "Rejected", "Unavailable", "Early")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.func.id, node.args[0].value


@pytest.mark.parametrize("name", FLOWS)
def test_every_code_that_a_flow_raises_is_explained(name):
    for kind, code in raised(name):
        if code in INNER:
            continue
        assert code in catalogue(), f"{name} raises {code}"
        assert (catalogue()[code].status == 503) == (kind == "Unavailable"), f"{name}: {code}"


def test_the_list_of_flows_finds_what_they_raise():
    assert sum(len(list(raised(name))) for name in FLOWS) > 20
