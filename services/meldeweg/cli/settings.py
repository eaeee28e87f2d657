"""`meldeweg settings SERVICE`: every setting with its variable, default and meaning."""

from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer

from meldeweg.cli.showing import Json, echo_json, table

app = typer.Typer()


class Service(StrEnum):
    """What has settings: `meldeweg.<service>.settings`, class `<Service>Settings`."""

    GATEWAY = "gateway"
    REGISTRY = "registry"
    AUDIT = "audit"
    WATCH = "watch"


@app.command()
def settings(
    service: Annotated[Service, typer.Argument(help="gateway, registry, audit oder watch")],
    as_json: Json = False,
) -> None:
    """Einstellungen eines Dienstes mit Vorgabe und Bedeutung zeigen.

    Umgebungsvariable vor der TOML-Datei, die MELDEWEG_CONFIG nennt.
    """
    from meldeweg.kernel.settings import describe  # noqa: PLC0415 - loads pydantic

    module = import_module(f"meldeweg.{service.value}.settings")
    found = describe(getattr(module, f"{service.value.capitalize()}Settings"))
    if as_json:
        echo_json(found)
        return
    table(
        ("TOML", "Umgebung", "Vorgabe", "Bedeutung"),
        ((one.name, one.variable, one.default, one.meaning) for one in found),
    )
