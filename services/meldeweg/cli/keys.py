"""`meldeweg keys`: issue, rotate, revoke and list an agency's keys (the identity key's holder)."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from meldeweg.ceremony import keys as ceremony
from meldeweg.ceremony import services
from meldeweg.ceremony.services import ServiceName
from meldeweg.cli import files
from meldeweg.cli.handing import said
from meldeweg.cli.showing import Json, echo_json, local, table
from meldeweg.kernel import keyfile
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.ids import AgencyId, Digest, KeyId
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.trust.objects import KeyUse

app = typer.Typer(no_args_is_help=True, help="Schlüssel einer Behörde / keys of an agency")

_YES = {True: "ja", False: "nein"}
Identity = Annotated[Path, typer.Option(help="privater JWK der Identität der Behörde (offline)")]
Agency = Annotated[str, typer.Option(help="Kennung der Behörde")]
Keys = Annotated[Path, typer.Option(help="Schlüsselverzeichnis des Gateways")]
_HYPHENATED = re.compile(r"-[A-Za-z0-9_-]{42}")  # one kid in 64 begins like an option


class _ByKid(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take a kid for what it is, also where its first character is a hyphen."""
        kids = [word for word in args if _HYPHENATED.fullmatch(word)]
        if not kids or "--" in args:
            return super().parse_args(ctx, args)
        rest = [word for word in args if word not in kids]
        return super().parse_args(ctx, [*rest, "--", *kids])


@app.command()
def issue(
    identity: Identity,
    agency: Agency,
    keys: Keys,
    use: Annotated[KeyUse, typer.Option(help="wofür der Schlüssel ist")],
    private: Annotated[
        Path | None, typer.Option(help="Verzeichnis für den privaten Teil (Datenschutz)")
    ] = None,
    as_json: Json = False,
) -> None:
    """Einen Schlüssel erzeugen und mit der Identität der Behörde beglaubigen."""
    if use is KeyUse.OVERSIGHT and private is None:
        raise typer.BadParameter("--private: the oversight key is not for the gateway's directory")
    if use is KeyUse.OVERSIGHT and private is not None and private.resolve() == keys.resolve():
        raise typer.BadParameter("--private: another directory than the gateway's")
    kid = ceremony.issue(
        *_fitting(identity, agency, keys),
        use,
        keys,
        SystemClock().now(),
        private_directory=private,
    )
    _say({use.value: kid}, as_json=as_json)


@app.command()
def rotate(identity: Identity, agency: Agency, keys: Keys, as_json: Json = False) -> None:
    """Neue Schlüssel; die alten gelten, bis alles angekommen ist, was unterwegs ist."""
    made = ceremony.rotate(*_fitting(identity, agency, keys), keys, SystemClock().now())
    _say({use.value: kid for use, kid in made.items()}, as_json=as_json)


@app.command(cls=_ByKid)
def revoke(
    identity: Identity,
    agency: Agency,
    keys: Keys,
    kid: Annotated[str, typer.Argument(help="Kennung des Schlüssels (kid)")],
    reason: Annotated[str, typer.Option(help="warum; andere Behörden lesen es")],
    unseen: Annotated[
        bool, typer.Option("--unseen", help="auch wenn sein Zertifikat nicht hier liegt")
    ] = False,
    as_json: Json = False,
) -> None:
    """Einen Schlüssel endgültig widerrufen: was damit noch ungeprüft ist, gilt nicht mehr."""
    signer, owner = _fitting(identity, agency, keys)
    if not unseen:
        ceremony.check_known(keys, KeyId(kid))
    ceremony.revoke(
        signer,
        owner,
        KeyId(kid),
        reason,
        keys,
        SystemClock().now(),
    )
    _say({"revoked": KeyId(kid)}, as_json=as_json)


@app.command()
def service(
    name: Annotated[ServiceName, typer.Argument(help="registry oder audit")],
    key: Annotated[Path, typer.Option(help="öffentlicher JWK des Dienstes")],
    anchor: Annotated[Path, typer.Option(help="privater JWK des Vertrauensankers (offline)")],
    out: Annotated[Path, typer.Option(help="Datei für das Zertifikat")],
    earlier: Annotated[
        Path | None, typer.Option(help="das Zertifikat davor, falls es eines gibt")
    ] = None,
    as_json: Json = False,
) -> None:
    """Den Schlüssel eines Dienstes beglaubigen; danach `meldeweg agency submit`."""
    token = services.certify(
        keyfile.read_signing_key(anchor),
        name,
        keyfile.read_public_key(key),
        SystemClock().now(),
        services.read(files.read(earlier)) if earlier else None,
    )
    files.create(out, token)
    said(out, Digest.of(token), as_json=as_json)


@app.command()
def withdraw(
    certificate: Annotated[Path, typer.Argument(help="das Zertifikat des Dienstes")],
    anchor: Annotated[Path, typer.Option(help="privater JWK des Vertrauensankers (offline)")],
    out: Annotated[Path, typer.Option(help="Datei für den Widerruf")],
    as_json: Json = False,
) -> None:
    """Den Schlüssel eines Dienstes endgültig widerrufen; danach `meldeweg agency submit`."""
    token = services.withdraw(
        keyfile.read_signing_key(anchor),
        services.read(files.read(certificate)),
        SystemClock().now(),
    )
    files.create(out, token)
    said(out, Digest.of(token), as_json=as_json)


@app.command(name="list")
def list_(keys: Keys, as_json: Json = False) -> None:
    """Die beglaubigten Schlüssel eines Verzeichnisses zeigen."""
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


def _fitting(identity: Path, agency: str, keys: Path) -> tuple[SigningKey, AgencyId]:
    """Return both, if what lies in the directory already is theirs."""
    signer, owner = keyfile.read_signing_key(identity), AgencyId(agency)
    ceremony.check(keys, signer, owner)
    return signer, owner


def _say(made: dict[str, KeyId], *, as_json: bool) -> None:
    if as_json:
        echo_json(made)
    else:
        for use, kid in made.items():
            typer.echo(f"{use}: {kid}")
