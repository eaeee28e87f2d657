"""`meldeweg audit alarms|resume|resolve`: what a person looks at, and decides, about the log.

Trusts nothing of an answer's form: what is none of an audit service is `audit-unreachable`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import typer

from meldeweg.cli.asking import Auditor, as_auditor
from meldeweg.cli.showing import Json, echo_json, local, safe, table
from meldeweg.kernel.errors import Unavailable

_T = TypeVar("_T", int, str)
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
    with _understood("alarms"):
        return [
            (
                *(each[name] for name in ("id", "code", "subject", "detail")),
                local(datetime.fromisoformat(each["last_at"])),
                each["count"],
                each["resolved_by"] or "",
            )
            for each in said
        ]


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
    found = resumed(auditor.post(f"/v1/streams/{quote(topic, safe='')}/resume", body))
    if as_json:
        echo_json(found)
    else:
        typer.echo(safe(f"{found['topic']}: weiter ab / on from {found['next']}"))


def resumed(said: Any) -> dict[str, Any]:
    """Read the answer to `resume`: which topic goes on, and at which offset."""
    with _understood("resume"):
        return {
            "topic": _of_kind(str, said["topic"]),
            "next": _of_kind(int, said["next"]),
            "halted": None if said["halted"] is None else _of_kind(str, said["halted"]),
        }


@as_auditor
def resolve(
    auditor: Auditor,
    alarm: Annotated[int, typer.Argument(help="Nummer aus `audit alarms`")],
    by: By,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Einen Alarm abschließen / close an alarm that a person has looked at."""
    found = resolved(auditor.post(f"/v1/alarms/{alarm}/resolve", {"by": by, "reason": reason}))
    if as_json:
        echo_json(found)
    else:
        typer.echo(safe(f"{found['code']} {found['subject']}: erledigt / resolved"))


def resolved(said: Any) -> dict[str, Any]:
    """Read the answer to `resolve`: which alarm was closed."""
    with _understood("resolve"):
        return {
            "id": _of_kind(int, said["id"]),
            "code": _of_kind(str, said["code"]),
            "subject": _of_kind(str, said["subject"]),
        }


@contextmanager
def _understood(what: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        raise Unavailable("audit-unreachable", f"{what}: {type(exc).__name__}") from exc


def _of_kind(kind: type[_T], value: Any) -> _T:
    if type(value) is not kind:
        raise TypeError
    return value
