"""`meldeweg version`."""

import typer

from meldeweg import __version__
from meldeweg.cli.showing import Json, echo_json

app = typer.Typer()


@app.command()
def version(as_json: Json = False) -> None:
    """Fassung dieser Software zeigen / show the version."""
    if as_json:
        echo_json({"name": "meldeweg", "version": __version__})
    else:
        typer.echo(f"meldeweg {__version__}")
