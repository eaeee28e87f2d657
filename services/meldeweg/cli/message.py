"""`meldeweg message`: what this agency sent, and what became of it."""

from typing import TYPE_CHECKING, Annotated

import typer

from meldeweg.cli.finding import sent
from meldeweg.cli.showing import STATES, URGENCIES, Json, echo_json, local, pairs, table, word
from meldeweg.cli.target import targeted

if TYPE_CHECKING:
    from meldeweg.client import Gateway, SentMessage, SentPage

app = typer.Typer()


@app.command()
@targeted
def message(
    gateway: "Gateway",
    *,
    message: Annotated[
        str | None, typer.Argument(help="Kennung oder Kennzeichen; ohne: die letzten Meldungen")
    ] = None,
    state: Annotated[str | None, typer.Option(help="nur in diesem Stand, z. B. overdue")] = None,
    after: Annotated[str | None, typer.Option(help="Fortsetzungsmarke")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="höchstens so viele")] = 20,
    wait: Annotated[float, typer.Option(help="Sekunden, auf ein Ergebnis zu warten")] = 0.0,
    as_json: Json = False,
) -> None:
    """Gesendete Meldungen zeigen: Stand, Quittungen, und wen man anrufen muss."""
    if message is None:
        _list(gateway.sent_messages(after=after, limit=limit, state=state), as_json=as_json)
        return
    found = sent(gateway, message)
    one = gateway.wait(found, seconds=wait) if wait else gateway.sent(found)
    if as_json:
        echo_json(one)
    else:
        _show(one)


def _list(page: "SentPage", *, as_json: bool) -> None:
    if as_json:
        echo_json(page)
        return
    table(
        ("Kennzeichen", "an", "Art", "gesendet", "bestätigen bis", "Stand", "anrufen"),
        (
            (
                one.kennzeichen,
                one.recipient,
                one.type,
                local(one.created),
                local(one.ack_by),
                word(STATES, one.state) + (" ÜBUNG" if one.exercise else ""),
                (one.call.phone or one.call.office) if one.call else "",
            )
            for one in page.items
        ),
    )
    if page.next:
        typer.echo(f"ältere mit --after {page.next}", err=True)


def _show(one: "SentMessage") -> None:
    if one.exercise:
        typer.echo("*** ÜBUNG ***")
    pairs(
        [
            ("Kennzeichen", one.kennzeichen),
            ("Kennung", one.id),
            ("an", one.recipient),
            ("Art", one.type),
            ("Dringlichkeit", word(URGENCIES, one.urgency)),
            ("Bestätigung bis", local(one.ack_by)),
            ("Stand", word(STATES, one.state)),
            ("Klausel", one.clause),
            ("Rechtsgrundlage", one.legal_basis),
        ]
    )
    if one.call:
        pairs([("ANRUFEN", f"{one.call.office}, {one.call.phone or 'ohne Nummer'}")])
    for step in one.timeline:
        pairs([("Zuständig", step.responsible), ("Begründung", step.reason)])
    table(
        ("Zeit", "Schritt", "Grund", "von"),
        (
            (local(step.at), word(STATES, step.kind), step.code or "", step.by or "")
            for step in one.timeline
        ),
    )
