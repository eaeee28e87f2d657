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
    district: Annotated[str, typer.Option(help="kreis-viersen oder rhein-erft-kreis")] = (
        "kreis-viersen"
    ),
    once: Annotated[bool, typer.Option("--once", help="danach beenden / end afterwards")] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Verzeichnis, sonst ein neues / directory"),
    ] = None,
    brokers: Brokers = 1,
) -> None:
    """Alles starten, die Geschichte spielen, zeigen, was nicht gehen darf.

    Ende mit 0 nur, wenn alles hielt.
    """
    from meldeweg.demo.run import FINE, run  # noqa: PLC0415 - loaded when asked for
    from meldeweg.kernel.errors import MeldewegError  # noqa: PLC0415
    from meldeweg.local.supervisor import Interrupted  # noqa: PLC0415

    place = directory or Path(tempfile.mkdtemp(prefix="meldeweg-demo-"))
    try:
        passing = once and directory is None
        code = run(place, district, once=once, brokers=brokers, passing=passing)
    except Interrupted:
        typer.echo("Beim Start abgebrochen; nichts läuft mehr / interrupted, nothing runs")
        _remove(place, directory)
        raise typer.Exit(1) from None  # no step held
    except MeldewegError:
        _keep(place, directory)
        raise
    if once and code == FINE:
        _remove(place, directory)
    else:
        _keep(place, directory)
    raise typer.Exit(code)


def _keep(place: Path, given: Path | None) -> None:
    """Leave a directory of this run to be looked at, unless it failed before anything was made."""
    if given is None and any(place.iterdir()):
        typer.echo(f"Bleibt, mit allen privaten Schlüsseln / kept, with all keys: {place}")
    elif given is None:
        place.rmdir()


def _remove(place: Path, given: Path | None) -> None:
    """Remove a directory that was made for this run alone: it holds every private key."""
    if given is None:
        shutil.rmtree(place)
        typer.echo("Wieder entfernt / removed again. Mit --dir bleibt es / kept with --dir.")
