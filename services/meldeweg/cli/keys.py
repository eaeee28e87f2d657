"""`meldeweg keys`: issue, rotate, revoke and list an agency's keys (the identity key's holder)."""

from pathlib import Path
from typing import Annotated, Any

import typer

from meldeweg.ceremony import keys as ceremony
from meldeweg.ceremony import services
from meldeweg.ceremony.services import ServiceName
from meldeweg.cli import files
from meldeweg.cli.handing import said
from meldeweg.cli.showing import Json, echo_json, local, table
from meldeweg.kernel import keyfile
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.trust.objects import KeyUse

app = typer.Typer(no_args_is_help=True, help="Schlüssel einer Behörde / keys of an agency")

_YES = {True: "ja", False: "nein"}
Identity = Annotated[Path, typer.Option(help="private JWK of the agency's identity key (offline)")]
Agency = Annotated[str, typer.Option(help="id of the agency")]
Keys = Annotated[Path, typer.Option(help="directory that the gateway reads its keys from")]


@app.command()
def issue(
    identity: Identity,
    agency: Agency,
    keys: Keys,
    use: Annotated[KeyUse, typer.Option(help="what the key is for")],
    private: Annotated[
        Path | None, typer.Option(help="directory for the private part (oversight keys)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make one key and certify it with the identity key."""
    if use is KeyUse.OVERSIGHT and private is None:
        raise typer.BadParameter("--private: the oversight key is not for the gateway's directory")
    kid = ceremony.issue(
        keyfile.read_signing_key(identity),
        AgencyId(agency),
        use,
        keys,
        SystemClock().now(),
        private_directory=private,
    )
    _say({use.value: kid}, as_json=as_json)


@app.command()
def rotate(identity: Identity, agency: Agency, keys: Keys, as_json: Json = False) -> None:
    """Make new signing and sealing keys; the old ones serve until what is under way has arrived."""
    made = ceremony.rotate(
        keyfile.read_signing_key(identity), AgencyId(agency), keys, SystemClock().now()
    )
    _say({use.value: kid for use, kid in made.items()}, as_json=as_json)


@app.command()
def revoke(
    identity: Identity,
    agency: Agency,
    keys: Keys,
    kid: Annotated[str, typer.Argument(help="id of the key")],
    reason: Annotated[str, typer.Option(help="why; other agencies read it")],
    as_json: Json = False,
) -> None:
    """Revoke a key for good: what it signed and was not yet verified counts no more."""
    ceremony.revoke(
        keyfile.read_signing_key(identity),
        AgencyId(agency),
        KeyId(kid),
        reason,
        keys,
        SystemClock().now(),
    )
    _say({"revoked": KeyId(kid)}, as_json=as_json)


@app.command()
def service(
    name: Annotated[ServiceName, typer.Argument(help="registry or audit")],
    key: Annotated[Path, typer.Option(help="public JWK of the service's key")],
    anchor: Annotated[Path, typer.Option(help="private JWK of the trust anchor (offline)")],
    out: Annotated[Path, typer.Option(help="file to write the certificate to")],
    earlier: Annotated[
        Path | None, typer.Option(help="the certificate that it follows, if there is one")
    ] = None,
    as_json: Json = False,
) -> None:
    """Certify the registry's or the audit's key, or renew it; then `meldeweg agency submit`."""
    token = services.certify(
        keyfile.read_signing_key(anchor),
        name,
        keyfile.read_public_key(key),
        SystemClock().now(),
        services.read(files.read(earlier)) if earlier else None,
    )
    files.create(out, token)
    said(out, Digest.of(token), as_json=as_json)


@app.command(name="list")
def list_(keys: Keys, as_json: Json = False) -> None:
    """List the certified keys of a directory."""
    rows: list[dict[str, Any]] = [
        {
            "kid": each.kid,
            "use": each.certificate.use.value,
            "use_until": each.certificate.use_until,
            "valid_until": each.certificate.valid_until,
            "private_here": each.private_here,
            "revoked": each.revoked,
        }
        for each in ceremony.listed(keys)
    ]
    if as_json:
        echo_json(rows)
        return
    table(
        ("Schlüssel", "Zweck", "benutzen bis", "gültig bis", "privat hier", "widerrufen"),
        (
            (
                row["kid"],
                row["use"],
                local(row["use_until"]),
                local(row["valid_until"]),
                _YES[row["private_here"]],
                _YES[row["revoked"]],
            )
            for row in rows
        ),
    )


def _say(made: dict[str, KeyId], *, as_json: bool) -> None:
    if as_json:
        echo_json(made)
    else:
        for use, kid in made.items():
            typer.echo(f"{use}: {kid}")
