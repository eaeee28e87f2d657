"""`meldeweg registry`: the brake, the last resort, and what would change at the broker."""

from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk
from meldeweg.cli import register_file
from meldeweg.cli.handing import at_desk
from meldeweg.cli.showing import Json, echo_json
from meldeweg.kernel import keyfile
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.issue import change_status
from meldeweg.kernel.trust.objects import AgencyStatus

app = typer.Typer(no_args_is_help=True, help="Register: sperren, freigeben / the brake")

Agency = Annotated[str, typer.Argument(help="id of the agency")]
Reason = Annotated[str, typer.Option(help="why; partners read it")]


@app.command()
@at_desk
def suspend(
    desk: Desk,
    agency: Agency,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Stop an agency's exchange at once; everything waits in outboxes."""
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
    """Release the brake."""
    desk.set_status(AgencyId(agency), AgencyStatus.ACTIVE, reason)
    _say(agency, AgencyStatus.ACTIVE, reason, as_json=as_json)


@app.command()
@at_desk
def revoke(
    desk: Desk,
    agency: Agency,
    reason: Reason,
    key: Annotated[Path, typer.Option(help="private JWK of the anchor or the identity key")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: Json = False,
) -> None:
    """Take an agency out for good. Signed by the anchor or by the agency's identity key."""
    if not yes and as_json:
        raise typer.BadParameter("--yes: with --json nobody is asked")
    if not yes:
        typer.confirm(f"{agency}: endgültig widerrufen? / revoke for good?", abort=True)
    signer = keyfile.read_signing_key(key)
    token = change_status(
        signer,
        AgencyId(agency),
        AgencyStatus.REVOKED,
        desk.status_number(AgencyId(agency)) + 1,
        reason,
        SystemClock().now(),
    )
    desk.submit(token)
    _say(agency, AgencyStatus.REVOKED, reason, as_json=as_json)


@app.command()
@at_desk
def export(
    desk: Desk,
    out: Annotated[Path, typer.Argument(help="new file")],
    as_json: Json = False,
) -> None:
    """Write all records of trust into a file, which `meldeweg audit open` verifies."""
    count = register_file.write(out, desk.records())
    if as_json:
        echo_json({"file": str(out), "records": count})
    else:
        typer.echo(f"{out}: {count}")


@app.command()
@at_desk
def plan(desk: Desk, as_json: Json = False) -> None:
    """Show what the registry would change at the broker now: a dry run."""
    todo = desk.plan()
    if as_json:
        echo_json(todo)
        return
    for what, lines in todo.items():
        for line in lines:
            typer.echo(f"{what}: {line}")
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
        typer.echo(f"{agency}: {_GERMAN[status]} ({status.value}); {reason}")
