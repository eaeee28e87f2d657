"""`meldeweg audit alarms|resume|resolve`: what a person looks at, and decides, about the log."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from meldeweg.cli.asking import Auditor, as_auditor
from meldeweg.cli.showing import Json, echo_json, local, table
from meldeweg.kernel.errors import Unavailable

By = Annotated[str, typer.Option(help="wer entschieden hat / the person who judged it")]
Reason = Annotated[str, typer.Option(help="warum; bleibt im Verzeichnis / why; it is kept")]


def register(app: typer.Typer) -> None:
    """Add the three commands to `meldeweg audit`."""
    for command in (alarms, resume, resolve):
        app.command()(command)


@as_auditor
def alarms(
    auditor: Auditor,
    everything: Annotated[
        bool, typer.Option("--all", help="auch erledigte / resolved ones too")
    ] = False,
    as_json: Json = False,
) -> None:
    """Alarme des Protokolls / what the log found, and who resolved it."""
    found = auditor.get(f"/v1/alarms?everything={'true' if everything else 'false'}")
    if as_json:
        echo_json(found)
        return
    table(
        ("Nr.", "Alarm", "Topic", "Einzelheit", "zuletzt", "Anzahl", "erledigt"),
        alarms_of(found),
    )


def alarms_of(said: Any) -> list[tuple[Any, ...]]:
    """Read the list of alarms as rows to show; what is none comes from no audit service."""
    try:
        return [
            (
                *(each[name] for name in ("id", "code", "subject", "detail")),
                local(datetime.fromisoformat(each["last_at"])),
                each["count"],
                each["resolved_by"] or "",
            )
            for each in said
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise Unavailable("audit-unreachable", f"alarms: {type(exc).__name__}") from exc


@as_auditor
def resume(
    auditor: Auditor,
    topic: Annotated[
        str, typer.Argument(help="das angehaltene Topic / the topic that stands still")
    ],
    at: Annotated[int, typer.Option(help="erster Offset, der wieder protokolliert wird")],
    by: By,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Ein angehaltenes Topic geht weiter / goes on; what lies between stays a visible hole."""
    body = {"at": at, "by": by, "reason": reason}
    found = auditor.post(f"/v1/streams/{quote(topic, safe='')}/resume", body)
    if as_json:
        echo_json(found)
    else:
        typer.echo(f"{found['topic']}: weiter ab / on from {found['next']}")


@as_auditor
def resolve(
    auditor: Auditor,
    alarm: Annotated[int, typer.Argument(help="Nummer aus `audit alarms`")],
    by: By,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Einen Alarm abschließen / close an alarm that a person has looked at."""
    found = auditor.post(f"/v1/alarms/{alarm}/resolve", {"by": by, "reason": reason})
    if as_json:
        echo_json(found)
    else:
        typer.echo(f"{found['code']} {found['subject']}: erledigt / resolved")
