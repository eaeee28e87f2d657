"""`meldeweg demo`: the whole backbone, and the main story told step by step."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from meldeweg.cli.local import Brokers

app = typer.Typer(help="Die Vorführung / the demonstration")


@app.command()
def demo(
    district: Annotated[str, typer.Option(help="kreis-viersen or rhein-erft-kreis")] = (
        "kreis-viersen"
    ),
    once: Annotated[bool, typer.Option("--once", help="end after the scenario")] = False,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="directory of the stack; a new one by default")
    ] = None,
    brokers: Brokers = 1,
) -> None:
    """Start everything, play the story, show what must not work; exit 0 only if all held."""
    from meldeweg.demo.run import FINE, run  # noqa: PLC0415 - loaded when asked for

    place = directory or Path(tempfile.mkdtemp(prefix="meldeweg-demo-"))
    code = run(place, district, once=once, brokers=brokers)
    if once and directory is None and code == FINE:
        shutil.rmtree(place)  # it holds every private key; after a failure it is there to look at
        typer.echo("Wieder entfernt / removed again. Mit --dir bleibt es / kept with --dir.")
    raise typer.Exit(code)
