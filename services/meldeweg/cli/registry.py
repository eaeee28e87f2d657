"""`meldeweg registry`: the brake, the last resort, and what would change at the broker."""

from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk
from meldeweg.cli import register_file
from meldeweg.cli.handing import at_desk
from meldeweg.cli.showing import Json, echo_json, safe
from meldeweg.kernel import keyfile
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.issue import change_status
from meldeweg.kernel.trust.objects import AgencyStatus

app = typer.Typer(no_args_is_help=True, help="Register: sperren, freigeben / the brake")

Agency = Annotated[str, typer.Argument(help="Kennung der Behörde")]
Reason = Annotated[str, typer.Option(help="warum; die Partner lesen es")]


@app.command()
@at_desk
def suspend(
    desk: Desk,
    agency: Agency,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Den Austausch einer Behörde sofort anhalten; alles wartet in den Ausgängen."""
    desk.set_status(AgencyId(agency), AgencyStatus.SUSPENDED, reason)
    _say(agency, AgencyStatus.SUSPENDED, reason, as_json=as_json)


@app.command()
@at_desk
def resume(
    desk: Desk,
    agency: Agency,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Eine gesperrte Behörde wieder freigeben; was wartet, geht dann hinaus."""
    who = AgencyId(agency)
    status, _ = desk.status(who)
    if status is AgencyStatus.ACTIVE:  # nobody is to believe that something was let go
        raise Refused("agency-not-suspended", agency)
    desk.set_status(who, AgencyStatus.ACTIVE, reason)
    _say(agency, AgencyStatus.ACTIVE, reason, as_json=as_json)


@app.command()
@at_desk
def revoke(
    desk: Desk,
    agency: Agency,
    reason: Reason,
    key: Annotated[Path, typer.Option(help="privater JWK des Ankers oder der Identität")],
    yes: Annotated[bool, typer.Option("--yes", help="ohne Rückfrage")] = False,
    as_json: Json = False,
) -> None:
    """Eine Behörde endgültig widerrufen; Anker oder Identitätsschlüssel unterschreibt."""
    if not yes and as_json:
        raise typer.BadParameter("--yes: with --json nobody is asked")
    if not yes:
        typer.confirm(f"{agency}: endgültig widerrufen? / revoke for good?", abort=True)
    signer, who = keyfile.read_signing_key(key), AgencyId(agency)
    _, number = desk.status(who)
    now = SystemClock().now()
    desk.submit(change_status(signer, who, AgencyStatus.REVOKED, number + 1, reason, now))
    _say(agency, AgencyStatus.REVOKED, reason, as_json=as_json)


@app.command()
@at_desk
def export(
    desk: Desk,
    out: Annotated[Path, typer.Argument(help="neue Datei")],
    as_json: Json = False,
) -> None:
    """Das Register in eine Datei schreiben, die `meldeweg audit open` prüft."""
    count = register_file.write(out, desk.records())
    if as_json:
        echo_json({"file": str(out), "records": count})
    else:
        typer.echo(f"{out}: {count}")


@app.command()
@at_desk
def plan(desk: Desk, as_json: Json = False) -> None:
    """Zeigen, was das Register am Broker jetzt ändern würde; geändert wird nichts."""
    todo = desk.plan()
    if as_json:
        echo_json(todo)
        return
    for what, lines in todo.items():
        for line in lines:
            typer.echo(safe(f"{what}: {line}"))
    if not any(todo.values()):
        typer.echo("Nichts zu tun / nothing to do")


_GERMAN = {
    AgencyStatus.SUSPENDED: "gesperrt",
    AgencyStatus.ACTIVE: "freigegeben",
    AgencyStatus.REVOKED: "widerrufen",
}


def _say(agency: str, status: AgencyStatus, reason: str, *, as_json: bool) -> None:
    if as_json:
        echo_json({"agency": agency, "status": status.value, "reason": reason})
    else:
        typer.echo(f"{agency}: {_GERMAN[status]} ({status.value}); {safe(reason)}")
