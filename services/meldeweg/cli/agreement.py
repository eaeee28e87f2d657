"""`meldeweg agreement`: make the document, read it in German, sign it, hand it in."""

import json
from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk
from meldeweg.cli import files
from meldeweg.cli.handing import at_desk, hand_in, said
from meldeweg.cli.showing import Json, echo_json
from meldeweg.kernel import agreement as agreements
from meldeweg.kernel import keyfile, strictjson
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import AgreementSignature

app = typer.Typer(no_args_is_help=True, help="Kooperationsvereinbarungen / agreements")

Document = Annotated[Path, typer.Argument(help="the document's file")]


@app.command()
def make(
    district: Annotated[str, typer.Argument(help="name or file of a district")],
    identities: Annotated[Path, typer.Option(help="JSON: agency id → key id of its identity key")],
    out: Annotated[Path, typer.Option(help="file to write")],
    as_json: Json = False,
) -> None:
    """Make the document that the parties sign, from the district's readable file."""
    pinned = strictjson.loads(files.read(identities), code="identities-malformed")
    if not isinstance(pinned, dict):
        raise Refused("identities-malformed", "an object is expected")
    keys = {AgencyId(agency): KeyId(kid) for agency, kid in pinned.items()}
    document = agreements.build(agreements.load_district(district), keys)
    files.create(out, document)
    said(out, Digest.of(document), as_json=as_json)


@app.command()
def show(document: Document, as_json: Json = False) -> None:
    """Show the full text in German; assumed clauses are marked. --json: the document itself."""
    found = agreements.parse(files.read(document))
    if as_json:
        echo_json(found.model_dump(mode="json", exclude_none=True))
    else:
        typer.echo(agreements.render_german(found))


@app.command()
def sign(
    document: Document,
    agency: Annotated[str, typer.Option(help="the signing party")],
    identity: Annotated[Path, typer.Option(help="private JWK of its identity key (offline)")],
    out: Annotated[Path, typer.Option(help="file to write the signature to")],
    as_json: Json = False,
) -> None:
    """Sign for one party; the order of the parties does not matter."""
    data = files.read(document)
    party = agreements.parse(data).party(AgencyId(agency))
    key = keyfile.read_signing_key(identity)
    if party is None or party.identity != key.kid:
        raise Refused("agreement-signature-refused", "not a party, or not its pinned key")
    body = AgreementSignature(
        v=1, agreement=Digest.of(data), agency=AgencyId(agency), at=SystemClock().now()
    )
    token = signed(body, key)
    files.create(out, token)
    said(out, Digest.of(token), as_json=as_json)


@app.command()
@at_desk
def submit(
    desk: Desk,
    objects: Annotated[list[Path], typer.Argument(help="document and signatures, in any order")],
    as_json: Json = False,
) -> None:
    """Hand documents and signatures in at the registry."""
    values = sorted(map(files.read, objects), key=lambda value: value[:1] != b"{")
    hand_in(desk, values, as_json=as_json)


@app.command(name="list")
@at_desk
def list_(desk: Desk, as_json: Json = False) -> None:
    """List the agreements that the registry knows, and who has signed."""
    found = desk.agreements()
    if as_json:
        echo_json(found)
        return
    for each in found:
        typer.echo(f"{each['agreement'][:16]} {each['status']}: {each['title']}")
        typer.echo(f"  {json.dumps(each['signed_by'])}")
