"""`meldeweg agency`: enrol an agency with the trust anchor, list who is enrolled."""

from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk
from meldeweg.cli import files
from meldeweg.cli.handing import at_desk, hand_in, said
from meldeweg.cli.showing import Json, echo_json, table
from meldeweg.kernel import keyfile
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Ags, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import AgencyKind, Enrolment

app = typer.Typer(no_args_is_help=True, help="Behörden anmelden / enrol agencies")


@app.command(name="new-key")
def new_key(
    private: Annotated[Path, typer.Argument(help="Datei für den privaten JWK (offline)")],
    as_json: Json = False,
) -> None:
    """Identitätsschlüssel oder Anker erzeugen, auf einem Rechner ohne Netz; zeigt die kid."""
    key = SigningKey.generate()
    keyfile.write_private(private, key)
    public = private.with_suffix(".pub.jwk")
    keyfile.write_public(public, key.public)
    if as_json:
        echo_json({"kid": key.kid, "private": str(private), "public": str(public)})
    else:
        typer.echo(f"{key.kid} ({private}, {public})")


@app.command()
def enrol(
    agency: Annotated[str, typer.Argument(help="Kennung, z. B. jugendamt-nettetal")],
    name: Annotated[str, typer.Option(help="Name der Behörde")],
    kind: Annotated[AgencyKind, typer.Option(help="police oder youth-office")],
    identity: Annotated[Path, typer.Option(help="öffentlicher JWK ihrer Identität")],
    anchor: Annotated[Path, typer.Option(help="privater JWK des Vertrauensankers (offline)")],
    out: Annotated[Path, typer.Option(help="Datei für die unterschriebene Anmeldung")],
    municipality: Annotated[
        list[str] | None, typer.Option(help="AGS der Zuständigkeit, mehrfach möglich")
    ] = None,
    as_json: Json = False,
) -> None:
    """Eine Anmeldung mit dem Anker unterschreiben; danach `meldeweg agency submit`."""
    own, signer = keyfile.read_public_key(identity), keyfile.read_signing_key(anchor)
    if own.kid == signer.kid:
        # Who holds it would be every agency's authority and one of them.
        raise Refused("identity-is-anchor", str(identity))
    body = Enrolment.made(
        "enrolment-malformed",
        v=1,
        agency=AgencyId(agency),
        name=name,
        kind=kind,
        municipalities=tuple(Ags(each) for each in municipality or ()),
        identity=own.public_jwk(),
        principal=f"gw-{agency}",
        at=SystemClock().now(),
    )
    token = signed(body, signer)
    files.create(out, token)
    said(out, Digest.of(token), as_json=as_json)


@app.command()
@at_desk
def submit(
    desk: Desk,
    enrolments: Annotated[list[Path], typer.Argument(help="unterschriebene Anmeldungen")],
    as_json: Json = False,
) -> None:
    """Unterschriebene Anmeldungen beim Register einreichen; es legt Topics und Rechte an."""
    values = [files.read(path) for path in enrolments]
    hand_in(desk, values, as_json=as_json)


@app.command(name="list")
@at_desk
def list_(desk: Desk, as_json: Json = False) -> None:
    """Angemeldete Behörden zeigen, mit Stand und Schlüsseln."""
    found = desk.agencies()
    if as_json:
        echo_json(found)
        return
    table(
        ("Behörde", "Name", "Stand", "Schlüssel"),
        ((each["agency"], each["name"], each["status"], len(each["keys"])) for each in found),
    )
