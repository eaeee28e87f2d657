"""`meldeweg local`: the whole backbone on one machine, for demo, development and tests."""

from pathlib import Path
from typing import Annotated

import typer

from meldeweg.cli.showing import Json, echo_json, table

app = typer.Typer(no_args_is_help=True, help="Alles auf einem Rechner / all on one machine")

Dir = Annotated[
    Path,
    typer.Option(
        "--dir", envvar="MELDEWEG_DIR", help="Verzeichnis für alles / directory of the stack"
    ),
]
_NOT_RUNNING = "läuft nicht / not running"


def _one_or_three(count: int) -> int:
    if count not in (1, 3):
        raise typer.BadParameter("1 oder 3 / 1 or 3")
    return count


Brokers = Annotated[int, typer.Option(callback=_one_or_three, help="1 oder 3 Broker / brokers")]


@app.command()
def up(
    directory: Dir,
    district: Annotated[str, typer.Option(help="Name oder Datei eines Kreises / district")] = (
        "kreis-viersen"
    ),
    brokers: Brokers = 1,
    no_restart: Annotated[
        bool,
        typer.Option("--no-restart", help="nichts neu starten / what dies stays dead"),
    ] = False,
) -> None:
    """Alles starten und im Vordergrund bleiben; Strg-C beendet es wie `down`."""
    from meldeweg import local  # noqa: PLC0415 - loaded when asked for
    from meldeweg.local.district import DistrictPlan  # noqa: PLC0415

    options = local.Options(
        directory=directory, brokers=3 if brokers == 3 else 1, restart=not no_restart
    )
    raise typer.Exit(local.up(options, DistrictPlan(district)))


@app.command()
def down(directory: Dir, as_json: Json = False) -> None:
    """Beenden, was in einem Verzeichnis läuft; kehrt zurück, wenn nichts mehr läuft."""
    from meldeweg import local  # noqa: PLC0415 - loaded when asked for

    ran = local.is_running(directory)
    code = local.down(directory)
    if as_json:
        echo_json({"directory": str(directory), "ended": code == 0, "ran": ran})
    elif code == 0:
        typer.echo(f"{directory}: {'beendet / ended' if ran else _NOT_RUNNING}", err=True)
    else:
        typer.echo(f"{directory}: endet nicht / does not end", err=True)
    raise typer.Exit(code)


@app.command()
def status(directory: Dir, as_json: Json = False) -> None:
    """Die Prozesse zeigen. Ende mit 0: alles gut, 3: läuft nicht, 10: etwas ist gestört."""
    from meldeweg import local  # noqa: PLC0415 - loaded when asked for

    found = local.status(directory)
    if as_json:
        echo_json(found.states)
    elif not found.states:
        typer.echo(f"{directory}: {_NOT_RUNNING}", err=True)
    else:
        table(
            ("Prozess", "pid", "Speicher", "Adresse", "Befund"),
            (
                (one.name, one.pid, f"{one.memory / 2**20:.0f} MiB", one.url, one.problem or "gut")
                for one in found.states
            ),
        )
    raise typer.Exit(found.exit_code)
