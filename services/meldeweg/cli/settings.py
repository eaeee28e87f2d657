"""`meldeweg settings SERVICE`: every setting with its variable, default and meaning."""

from typing import Annotated

import typer

from meldeweg.cli.showing import Json, echo_json, table
from meldeweg.cli.variables import Service, settings_of

app = typer.Typer()


@app.command()
def settings(
    service: Annotated[Service, typer.Argument(help="gateway, registry, audit oder watch")],
    as_json: Json = False,
) -> None:
    """Einstellungen eines Dienstes mit Vorgabe und Bedeutung zeigen.

    Umgebungsvariable vor der TOML-Datei, die MELDEWEG_CONFIG nennt.
    """
    from meldeweg.kernel.settings import describe  # noqa: PLC0415 - loads pydantic

    found = describe(settings_of(service))
    if as_json:
        echo_json(found)
        return
    table(
        ("TOML", "Umgebung", "Vorgabe", "Bedeutung"),
        ((one.name, one.variable, one.default, one.meaning) for one in found),
    )
