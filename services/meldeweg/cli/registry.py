"""`meldeweg registry`: the brake, the last resort, and what would change at the broker."""

import json
from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk, desk_of
from meldeweg.kernel import keyfile
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.issue import change_status
from meldeweg.kernel.trust.objects import AgencyStatus

app = typer.Typer(no_args_is_help=True, help="Register: sperren, freigeben / the brake")

Agency = Annotated[str, typer.Argument(help="id of the agency")]
Reason = Annotated[str, typer.Option(help="why; partners read it")]
Dir = Annotated[Path | None, typer.Option("--dir", envvar="MELDEWEG_DIR", help="local stack")]
Url = Annotated[str | None, typer.Option(help="address of the registry, instead of --dir")]
TokenFile = Annotated[Path | None, typer.Option(help="file with the operators' token")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable")]


@app.command()
def suspend(
    agency: Agency, reason: Reason, dir_: Dir = None, url: Url = None, token_file: TokenFile = None
) -> None:
    """Stop an agency's exchange at once; everything waits in outboxes."""
    _set(agency, AgencyStatus.SUSPENDED, reason, desk_of(dir_, url, token_file))
    typer.echo(f"{agency}: gesperrt (suspended); {reason}")


@app.command()
def resume(
    agency: Agency, reason: Reason, dir_: Dir = None, url: Url = None, token_file: TokenFile = None
) -> None:
    """Release the brake."""
    _set(agency, AgencyStatus.ACTIVE, reason, desk_of(dir_, url, token_file))
    typer.echo(f"{agency}: freigegeben (active); {reason}")


@app.command()
def revoke(
    agency: Agency,
    reason: Reason,
    key: Annotated[Path, typer.Option(help="private JWK of the anchor or the identity key")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    dir_: Dir = None,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Take an agency out for good. Signed by the anchor or by the agency's identity key."""
    if not yes:
        typer.confirm(f"{agency}: endgültig widerrufen? / revoke for good?", abort=True)
    with desk_of(dir_, url, token_file) as desk:
        token = change_status(
            keyfile.read_signing_key(key),
            AgencyId(agency),
            AgencyStatus.REVOKED,
            desk.status_number(AgencyId(agency)) + 1,
            reason,
            SystemClock().now(),
        )
        desk.submit(token)
    typer.echo(f"{agency}: widerrufen (revoked); {reason}")


@app.command()
def plan(
    dir_: Dir = None, url: Url = None, token_file: TokenFile = None, as_json: Json = False
) -> None:
    """Show what the registry would change at the broker now: a dry run."""
    with desk_of(dir_, url, token_file) as desk:
        todo = desk.plan()
    if as_json:
        typer.echo(json.dumps(todo))
        return
    for what, lines in todo.items():
        for line in lines:
            typer.echo(f"{what}: {line}")
    if not any(todo.values()):
        typer.echo("Nichts zu tun / nothing to do")


def _set(agency: str, status: AgencyStatus, reason: str, desk: Desk) -> None:
    with desk:
        desk.set_status(AgencyId(agency), status, reason)
