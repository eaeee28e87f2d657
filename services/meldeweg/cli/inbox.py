"""`meldeweg inbox`: what arrived; and then open, acknowledge, refuse, erase."""

from typing import TYPE_CHECKING, Annotated

import typer

from meldeweg.cli.finding import received
from meldeweg.cli.showing import (
    STATES,
    URGENCIES,
    Json,
    echo_json,
    local,
    pairs,
    pretty,
    table,
    word,
)
from meldeweg.cli.target import Agency, Ca, Dir, TokenFile, Url, find, targeted

if TYPE_CHECKING:
    from meldeweg.client import Gateway, Opened, Receipt

app = typer.Typer(help="Posteingang / what arrived")

Message = Annotated[str, typer.Argument(help="Kennung oder Kennzeichen der Meldung")]
By = Annotated[str, typer.Option("--person", help="wer handelt: Name oder Dienstkennung")]
Sender = Annotated[str | None, typer.Option(help="Absender, falls die Kennung mehrfach vorkommt")]


@app.callback(invoke_without_command=True)
def inbox(
    ctx: typer.Context,
    *,
    after: Annotated[str | None, typer.Option(help="Fortsetzungsmarke")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="höchstens so viele")] = 50,
    directory: Dir = None,
    agency: Agency = None,
    url: Url = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Den Eingang zeigen, in der Reihenfolge des Eintreffens; ohne Inhalte.

    Öffnen, bestätigen, ablehnen und löschen sind eigene Befehle; ihre Optionen stehen hinter ihnen.
    """
    if ctx.invoked_subcommand is not None:
        return
    with find(directory, agency, url, token_file, ca) as gateway:
        page = gateway.inbox(after=after, limit=limit)
    if as_json:
        echo_json(page)
        return
    table(
        ("Kennzeichen", "von", "eingegangen", "Dringlichkeit", "bestätigen bis", "Stand", ""),
        (
            (
                one.kennzeichen,
                one.sender,
                local(one.received_at),
                word(URGENCIES, one.urgency),
                local(one.ack_by),
                word(STATES, "overdue" if one.overdue else one.state),
                "ÜBUNG" if one.exercise else "",
            )
            for one in page.items
        ),
    )
    if len(page.items) == limit:
        typer.echo(f"weiter mit --after {page.next}", err=True)


@app.command(name="open")
@targeted
def open_(
    gateway: "Gateway",
    *,
    message: Message,
    person: By,
    sender: Sender = None,
    as_json: Json = False,
) -> None:
    """Eine Meldung für eine benannte Person öffnen; das wird protokolliert."""
    opened = gateway.open(received(gateway, message), person, sender=sender)
    if as_json:
        echo_json(opened)
    else:
        _show(opened)


@app.command()
@targeted
def acknowledge(
    gateway: "Gateway",
    *,
    message: Message,
    person: By,
    sender: Sender = None,
    as_json: Json = False,
) -> None:
    """Bestätigen: diese Person hat die Meldung gelesen und übernimmt sie. Die Frist endet."""
    receipt = gateway.acknowledge(received(gateway, message), person, sender=sender)
    _given(receipt, as_json=as_json)


@app.command()
@targeted
def refuse(
    gateway: "Gateway",
    *,
    message: Message,
    person: By,
    code: Annotated[str, typer.Option(help="Grund, z. B. not-responsible")],
    responsible: Annotated[str | None, typer.Option(help="wer stattdessen zuständig ist")] = None,
    reason: Annotated[str | None, typer.Option(help="Erläuterung, versiegelt")] = None,
    sender: Sender = None,
    as_json: Json = False,
) -> None:
    """Ablehnen, zum Beispiel weil eine andere Behörde zuständig ist."""
    receipt = gateway.refuse(
        received(gateway, message),
        person,
        code,
        responsible=responsible,
        reason=reason,
        sender=sender,
    )
    _given(receipt, as_json=as_json)


@app.command()
@targeted
def erase(
    gateway: "Gateway",
    *,
    message: Message,
    person: By,
    sender: Sender = None,
    as_json: Json = False,
) -> None:
    """Den Inhalt hier löschen und dem Absender die Löschung bestätigen."""
    receipt = gateway.confirm_erasure(received(gateway, message), person, sender=sender)
    _given(receipt, as_json=as_json)


def _show(opened: "Opened") -> None:
    if opened.exercise:
        typer.echo("*** ÜBUNG ***")
    pairs(
        [
            ("Kennzeichen", opened.kennzeichen),
            ("Kennung", opened.id),
            ("von", opened.sender),
            ("Art", opened.type),
            ("Dringlichkeit", word(URGENCIES, opened.urgency)),
            ("eingegangen", local(opened.received_at)),
            ("bestätigen bis", local(opened.ack_by)),
            ("Stand", word(STATES, opened.state)),
            *([_taken_back(opened)] if opened.retracted_at else []),
            ("Rechtsgrundlage", opened.legal_basis),
            *(("geöffnet", f"{local(one.at)} {one.by}") for one in opened.opened),
        ]
    )
    typer.echo(pretty(opened.content))


def _taken_back(opened: "Opened") -> tuple[str, str]:
    when = local(opened.retracted_at) if opened.retracted_at else ""
    return ("ZURÜCKGENOMMEN", f"{when} durch {opened.retracted_by}; nicht mehr verwenden")


def _given(receipt: "Receipt", *, as_json: bool) -> None:
    if as_json:
        echo_json(receipt)
    else:
        again = "" if receipt.new else " (war schon gegeben)"
        typer.echo(f"{word(STATES, receipt.kind)} {local(receipt.at)}{again}")
