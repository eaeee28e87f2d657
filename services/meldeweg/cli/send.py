"""`meldeweg send`: one message from a file, through the agency's gateway."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meldeweg.cli.showing import STATES, URGENCIES, Json, echo_json, local, pairs, word
from meldeweg.cli.target import targeted
from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Refused

if TYPE_CHECKING:
    from meldeweg.client import Accepted, Gateway, Preview

app = typer.Typer()


@app.command()
@targeted
def send(
    gateway: "Gateway",
    *,
    content: Annotated[str, typer.Argument(help="JSON-Datei mit dem Inhalt, - für stdin")],
    person: Annotated[str, typer.Option(help="wer sendet: Name oder Dienstkennung")],
    kind: Annotated[str, typer.Option("--type", help="Art der Meldung")] = "notification",
    place: Annotated[str | None, typer.Option(help="wo das Kind ist: AGS oder Gemeinde")] = None,
    residence: Annotated[str | None, typer.Option(help="wo die Eltern wohnen")] = None,
    to: Annotated[str | None, typer.Option(help="Behörde, statt eines Ortes")] = None,
    urgency: Annotated[str | None, typer.Option(help="immediate, today, routine")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Kennzeichnung NAME=WERT (§ 22b PolG NRW)")
    ] = None,
    in_reply_to: Annotated[str | None, typer.Option(help="Kennung der Bezugsmeldung")] = None,
    thread: Annotated[str | None, typer.Option(help="eigener Vorgang")] = None,
    addressee: Annotated[str | None, typer.Option(help="Ansprechperson oder Rolle")] = None,
    override: Annotated[str | None, typer.Option(help="Grund, trotz einer Regel zu senden")] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency-Key zum Wiederholen")] = None,
    wait: Annotated[float, typer.Option(help="Sekunden, auf eine Bestätigung zu warten")] = 0.0,
    exercise: Annotated[bool, typer.Option("--exercise", help="ÜBUNG")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="nur prüfen, nichts senden")] = False,
    as_json: Json = False,
) -> None:
    """Eine Meldung senden. Kommt die Kennung zurück, ist sie gesichert.

    Der Inhalt ist ein JSON-Dokument nach dem Schema der Art; er wird nirgends wiederholt.
    """
    names = {"agency": to, "place": place, "residence": residence}
    document: dict[str, Any] = {
        "to": {name: one for name, one in names.items() if one},
        "content": _content(content),
        "acting_person": person,
        "urgency": urgency,
        "labels": dict(map(_label, label)) if label else None,
        "in_reply_to": in_reply_to,
        "thread": thread,
        "addressee": addressee,
        "override": override,
        "exercise": True if exercise else None,
    }
    if not document["to"]:
        raise Refused("recipient-not-named", "--place, --residence oder --to")
    if dry_run:
        _show(gateway.check(kind, **document), as_json=as_json)
        return
    accepted = gateway.send(kind, key=key, **document)
    if not (wait and as_json):
        _show(accepted, as_json=as_json)
    if wait:
        _wait(gateway, accepted, wait, as_json=as_json)


def _wait(gateway: "Gateway", accepted: "Accepted", seconds: float, *, as_json: bool) -> None:
    """Say what became of it; in JSON in one document with what was accepted, whatever happens."""
    settled = None
    try:
        settled = gateway.wait(accepted.id, seconds=seconds)
    finally:
        if as_json:
            echo_json({"accepted": accepted, "settled": settled})
    if not as_json:
        pairs([("Stand", word(STATES, settled.state))])


def _show(answer: "Accepted | Preview", *, as_json: bool) -> None:
    if as_json:
        echo_json(answer)
        return
    if answer.exercise:
        typer.echo("*** ÜBUNG ***")
    pairs(
        [
            ("Kennzeichen", getattr(answer, "kennzeichen", None)),
            ("Kennung", getattr(answer, "id", None)),
            ("Empfänger", answer.recipient),
            ("Dringlichkeit", word(URGENCIES, answer.urgency)),
            ("Bestätigung bis", local(answer.ack_by)),
            ("Klausel", answer.clause),
            ("Rechtsgrundlage", answer.legal_basis),
            *(("Auch an", one.recipient) for one in answer.linked),
            *(("Hinweis", one.text) for one in answer.warnings),
        ]
    )


def _content(source: str) -> Any:
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as exc:
        raise Refused("content-unreadable", f"{source}: {exc.strerror}") from None
    try:  # as strictly as the gateway: of two members with one name, the parser would drop one
        return strictjson.loads(data)
    except Refused as exc:
        raise Refused("content-unreadable", f"{source}: {exc.detail}") from None


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise typer.BadParameter("NAME=WERT", param_hint="--label")
    return name, value
