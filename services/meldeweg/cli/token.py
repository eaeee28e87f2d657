"""`meldeweg token`: the tokens of a gateway's API, on the gateway's own machine.

Works on the store itself, so it needs no token; a running gateway heeds it within a second.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from meldeweg.cli.showing import Json, echo_json, local, table
from meldeweg.cli.target import Agency, Dir, in_stack
from meldeweg.gateway import tokens
from meldeweg.gateway.api.ports import Scope
from meldeweg.kernel.clock import SystemClock
from meldeweg.kernel.errors import Refused

app = typer.Typer(no_args_is_help=True, help="Zugangszeichen des Gateways / tokens of the API")

Name = Annotated[str, typer.Argument(help="Name, z. B. des Fachverfahrens; nie zweimal")]
Store = Annotated[
    Path | None, typer.Option("--store", help="Verzeichnis des Gateway-Speichers, statt --dir")
]


@app.command()
def create(
    name: Name,
    scope: Annotated[list[Scope], typer.Option(help="Befugnis, mehrfach möglich")],
    out: Annotated[
        Path | None, typer.Option(help="Datei für das Token (0600), statt stdout")
    ] = None,
    store: Store = None,
    directory: Dir = None,
    agency: Agency = None,
    as_json: Json = False,
) -> None:
    """Ein Token erstellen. Es wird nur dieses eine Mal gezeigt."""
    place = _store(store, directory, agency)
    with _kept_in(out) as keep:  # first: a secret that cannot be written is lost for good
        secret = tokens.create(place, name, scope, SystemClock().now())
        keep(secret)
    shown = {"token": secret} if out is None else {"file": str(out)}
    if as_json:
        echo_json({"name": name, "scopes": sorted(scope)} | shown)
    else:
        typer.echo(next(iter(shown.values())))


@app.command()
def revoke(
    name: Name,
    store: Store = None,
    directory: Dir = None,
    agency: Agency = None,
    as_json: Json = False,
) -> None:
    """Ein Token zurückziehen; gilt beim laufenden Gateway binnen einer Sekunde."""
    tokens.revoke(_store(store, directory, agency), name, SystemClock().now())
    if as_json:
        echo_json({"name": name, "revoked": True})
    else:
        typer.echo(f"{name}: zurückgezogen (revoked)")


@app.command(name="list")
def list_(
    store: Store = None, directory: Dir = None, agency: Agency = None, as_json: Json = False
) -> None:
    """Die Token zeigen: Namen, Befugnisse, Zeiten; die Token selbst kennt niemand mehr."""
    found = tokens.listing(_store(store, directory, agency))
    if as_json:
        rows = [
            {
                "name": one.name,
                "scopes": sorted(one.scopes),
                "created": one.created,
                "revoked_at": one.revoked_at,
            }
            for one in found
        ]
        echo_json([{k: v for k, v in row.items() if v is not None} for row in rows])
        return
    table(
        ("Name", "Befugnisse", "erstellt", "zurückgezogen"),
        (
            (
                one.name,
                " ".join(sorted(one.scopes)),
                local(one.created),
                local(one.revoked_at) if one.revoked_at else "",
            )
            for one in found
        ),
    )


@contextmanager
def _kept_in(out: Path | None) -> Iterator[Callable[[str], object]]:
    """Yield what writes a secret into the new file `out`, which is gone again if that fails."""
    if out is None:
        yield lambda _: None
        return
    try:
        number = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise Refused("token-file-exists", str(out)) from exc
    except OSError as exc:
        raise Refused("file-not-writable", f"{out}: {exc.strerror}") from exc
    try:
        with os.fdopen(number, "w") as file:
            yield lambda secret: file.write(secret + "\n")
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def _store(store: Path | None, directory: Path | None, agency: str | None) -> Path:
    return store or Path(in_stack(directory, agency)["store"])
