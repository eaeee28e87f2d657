"""`meldeweg agreement`: make the document, read it in German, sign it, hand it in."""

import json
from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk
from meldeweg.cli import files
from meldeweg.cli.handing import at_desk, hand_in, said
from meldeweg.cli.showing import Json, echo_json, safe
from meldeweg.kernel import agreement as agreements
from meldeweg.kernel import keyfile, strictjson
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import AgreementSignature

app = typer.Typer(no_args_is_help=True, help="Kooperationsvereinbarungen / agreements")

Document = Annotated[Path, typer.Argument(help="Datei mit dem Dokument")]


@app.command()
def make(
    district: Annotated[str, typer.Argument(help="Name oder Datei eines Kreises")],
    identities: Annotated[Path, typer.Option(help="JSON: Behörde → kid ihrer Identität")],
    out: Annotated[Path, typer.Option(help="neue Datei")],
    as_json: Json = False,
) -> None:
    """Aus der lesbaren Datei eines Kreises das Dokument machen, das alle unterschreiben."""
    keys = pinned(files.read(identities))
    document = agreements.build(agreements.load_district(district), keys)
    files.create(out, document)
    said(out, Digest.of(document), as_json=as_json)


def pinned(data: bytes) -> dict[AgencyId, KeyId]:
    """Read whose identity key an agreement is to pin; `identities-malformed`."""
    found = strictjson.loads(data, max_depth=1, code="identities-malformed")
    if not isinstance(found, dict) or not all(isinstance(kid, str) for kid in found.values()):
        raise Refused("identities-malformed", "expected an object: agency → kid")
    return {AgencyId(agency): KeyId(kid) for agency, kid in found.items()}


@app.command()
def show(document: Document, as_json: Json = False) -> None:
    """Den vollen Text zeigen; angenommene Klauseln sind markiert. --json: das Dokument."""
    found = agreements.parse(files.read(document))
    if as_json:
        echo_json(found.model_dump(mode="json", exclude_none=True))
    else:
        typer.echo(agreements.render_german(found))


@app.command()
def sign(
    document: Document,
    agency: Annotated[str, typer.Option(help="die unterschreibende Behörde")],
    identity: Annotated[Path, typer.Option(help="privater JWK ihrer Identität (offline)")],
    out: Annotated[Path, typer.Option(help="Datei für die Unterschrift")],
    as_json: Json = False,
) -> None:
    """Für eine Behörde unterschreiben; die Reihenfolge der Behörden ist gleich."""
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
    objects: Annotated[
        list[Path], typer.Argument(help="Dokument und Unterschriften, in beliebiger Folge")
    ],
    as_json: Json = False,
) -> None:
    """Dokumente und Unterschriften beim Register einreichen."""
    values = sorted(map(files.read, objects), key=lambda value: value[:1] != b"{")
    hand_in(desk, values, as_json=as_json)


@app.command(name="list")
@at_desk
def list_(desk: Desk, as_json: Json = False) -> None:
    """Die Vereinbarungen zeigen, die das Register kennt, und wer unterschrieben hat."""
    found = desk.agreements()
    if as_json:
        echo_json(found)
        return
    for each in found:
        typer.echo(safe(f"{each['agreement'][:16]} {each['status']}: {each['title']}"))
        typer.echo(f"  {json.dumps(each['signed_by'])}")
