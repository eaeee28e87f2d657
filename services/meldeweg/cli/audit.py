"""`meldeweg audit`: export the log, verify it offline, open a record with the officer's key."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from meldeweg.cli import files
from meldeweg.cli.showing import Json, echo_json, pairs, safe
from meldeweg.cli.target import Dir
from meldeweg.kernel.errors import Refused, Unavailable

app = typer.Typer(no_args_is_help=True, help="Protokoll / the audit log")

Url = Annotated[str | None, typer.Option(help="address of the audit service, instead of --dir")]
TokenFile = Annotated[Path | None, typer.Option(help="file with an auditor's token")]


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="new directory")],
    directory: Dir = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Write the log into a directory that needs no Meldeweg to verify."""
    from meldeweg.audit.export import export as write  # noqa: PLC0415 - loaded when asked for
    from meldeweg.audit.sources import open_source  # noqa: PLC0415

    address, token = service(directory, url, token_file)
    with open_source(address, token) as source:
        head = write(source, out)
    found = {"directory": str(out), "origin": head.origin, "size": head.size}
    if as_json:
        echo_json(found)
    else:
        pairs(found.items())


@app.command()
def verify(
    place: Annotated[str, typer.Argument(help="directory, zip file, or address")],
    vkey: Annotated[
        list[str] | None, typer.Option(help="the log's key as known from elsewhere")
    ] = None,
    earlier: Annotated[
        list[Path] | None, typer.Option(help="a checkpoint seen before, which must be extended")
    ] = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Verify a whole log, trusting nobody. Exit code 0 only if all of it is consistent."""
    from meldeweg.audit import verify as offline  # noqa: PLC0415 - loaded when asked for
    from meldeweg.audit.sources import open_source  # noqa: PLC0415

    token = _token(token_file) if token_file else None
    started = time.monotonic()
    with open_source(place, token) as source:
        report = offline.verify(
            source, vkeys=vkey or (), earlier=[files.read(path) for path in earlier or ()]
        )
    if as_json:
        echo_json(report.as_json())
    else:
        _show(report.as_json(), time.monotonic() - started)
    raise typer.Exit(0 if report.ok else 1)


@app.command(name="open")
def open_(
    key: Annotated[Path, typer.Option(help="private JWK of an oversight key")],
    index: Annotated[int | None, typer.Argument(help="index of the entry in the log")] = None,
    digest: Annotated[str | None, typer.Option(help="message digest, instead of the index")] = None,
    directory: Dir = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Show why something was sent: to the data protection officer of either agency, nobody else."""
    from meldeweg.cli.audit_open import open_entry  # noqa: PLC0415 - loaded when asked for
    from meldeweg.kernel.keyfile import read_open_key  # noqa: PLC0415

    address, token = service(directory, url, token_file)
    if (index is None) == (digest is None):
        raise typer.BadParameter("one of the two: an index, or --digest")
    entry = entries(address, token, index) if index is not None else _found(address, token, digest)
    opened = open_entry(entry, read_open_key(key))
    context = json.loads(opened.statement.context_bytes)
    found = {"index": opened.index, "context": context, "record": opened.record}
    if as_json:
        echo_json(found)
    else:
        pairs([*context.items(), *opened.record.items()])


def _token(path: Path) -> str:
    return files.read(path).decode("ascii", "replace").strip()


def service(directory: Path | None, url: str | None, token_file: Path | None) -> tuple[str, str]:
    """Return address and token of the audit service."""
    if url is not None and token_file is not None:
        return url, _token(token_file)
    if directory is None:
        raise Refused("audit-not-named", "--dir, or --url and --token-file")
    try:
        entry = json.loads((directory / "stack.json").read_text())["services"]["audit"]
        return str(entry["url"]), str(entry["token"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Unavailable("stack-not-running", f"{directory}: stack.json") from exc


def _found(address: str, token: str, digest: str | None) -> dict[str, Any]:
    """Look through the log for the transfer with this message digest."""
    from meldeweg.cli.audit_open import has_digest  # noqa: PLC0415 - loaded when asked for

    start: int | None = 0
    while start is not None:
        page = _get(address, token, f"/v1/entries?start={start}")
        for entry in page["items"]:
            if has_digest(entry, digest):
                found: dict[str, Any] = entry
                return found
        start = page["next"]
    raise Refused("entry-unknown", "no transfer with this digest in the log")


def entries(address: str, token: str, index: int) -> dict[str, Any]:
    """Fetch one entry of the log."""
    found: dict[str, Any] = _get(address, token, f"/v1/entries/{index}")
    return found


def _get(address: str, token: str, path: str) -> Any:
    import httpx2  # noqa: PLC0415 - loaded when asked for

    try:
        answer = httpx2.get(
            address + path,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        if answer.is_success:
            return answer.json()
    except (httpx2.HTTPError, ValueError) as exc:
        raise Unavailable("audit-unreachable", type(exc).__name__) from exc
    if answer.status_code >= 500:
        raise Unavailable("audit-unavailable", f"HTTP {answer.status_code}")
    code = "token-refused" if answer.status_code in (401, 403) else "entry-unknown"
    raise Refused(code, f"HTTP {answer.status_code}")


def _show(report: dict[str, Any], seconds: float) -> None:
    pairs(
        [
            ("Protokoll / log", report["origin"]),
            ("Einträge / entries", report["entries"]),
            ("Wurzel / root", report["root"]),
            ("Topics", len(report["topics"])),
            ("geprüft in / verified in", f"{seconds:.2f} s"),
            ("Ergebnis / result", "in Ordnung / consistent" if report["ok"] else "FALSCH / BROKEN"),
        ]
    )
    for kind in ("broken", "missing", "notices"):
        for finding in report[kind]:
            said = f"{kind}: {finding['code']} {finding['where']} {finding['detail']}"
            typer.echo(safe(said))  # an export may have been made to harm whoever verifies it
