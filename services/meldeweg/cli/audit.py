"""`meldeweg audit`: export the log, verify it offline, open a record; more in `audit_decide`."""

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meldeweg.cli import audit_decide, files
from meldeweg.cli.asking import Auditor, Ca, TokenFile, as_auditor
from meldeweg.cli.showing import Json, echo_json, pairs, safe

if TYPE_CHECKING:
    from meldeweg.kernel.trust.register import Register

Year = Annotated[
    int | None,
    typer.Option(min=2000, max=9999, help="Protokolljahr, sonst das neueste / year of the log"),
]

app = typer.Typer(no_args_is_help=True, help="Protokoll / the audit log")

audit_decide.register(app)


@app.command()
@as_auditor
def export(
    auditor: Auditor,
    out: Annotated[Path, typer.Argument(help="neues Verzeichnis / new directory")],
    year: Year = None,
    as_json: Json = False,
) -> None:
    """Das Protokoll ausgeben / write the log: a directory that needs no Meldeweg to verify."""
    from meldeweg.audit.export import export as write  # noqa: PLC0415 - loaded when asked for
    from meldeweg.audit.sources import open_source  # noqa: PLC0415 - as above

    with open_source(auditor.url, auditor.token, auditor.ca, year) as source:
        head = write(source, out, year=year)
    found = {"directory": str(out), "origin": head.origin, "size": head.size}
    if as_json:
        echo_json(found)
    else:
        pairs(found.items())


@app.command()
def verify(
    place: Annotated[
        str, typer.Argument(help="Verzeichnis, ZIP oder Adresse / directory, zip, address")
    ],
    vkey: Annotated[
        list[str] | None, typer.Option(help="Schlüssel des Protokolls, von anderswo bekannt")
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            help="früherer Checkpoint, den dieses fortsetzt; auch der letzte des Vorjahrs"
        ),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(help="Ausgabe des Vorjahrs, die dieses fortsetzt / export of the year before"),
    ] = None,
    year: Year = None,
    token_file: TokenFile = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Ein ganzes Protokoll prüfen / verify a whole log, trusting nobody.

    Ende mit 0 nur, wenn alles stimmt / exit code 0 only if all of it is consistent.
    """
    from meldeweg.audit import verify as offline  # noqa: PLC0415 - loaded when asked for
    from meldeweg.audit.sources import open_source  # noqa: PLC0415 - as above

    token = files.token(token_file) if token_file else None
    started = time.monotonic()
    seen = [files.read(path) for path in earlier or ()]
    older = nullcontext() if before is None else open_source(str(before))
    with open_source(place, token, ca, year) as source, older as old:
        report = offline.verify(source, vkeys=vkey or (), earlier=seen, before=old, year=year)
    if as_json:
        echo_json(report.as_json())
    else:
        _show(report.as_json(), time.monotonic() - started)
    raise typer.Exit(0 if report.ok else 1)


@app.command(name="open")
@as_auditor
def open_(
    auditor: Auditor,
    key: Annotated[Path, typer.Option(help="eigener Schlüssel / private JWK of an oversight key")],
    index: Annotated[
        int | None, typer.Argument(help="Nummer des Eintrags / index of the entry")
    ] = None,
    digest: Annotated[str | None, typer.Option(help="Prüfsumme / message digest, instead")] = None,
    year: Year = None,
    register: Annotated[
        Path | None,
        typer.Option(help="Datei aus `meldeweg registry export`, nicht mit --dir / the register"),
    ] = None,
    anchor: Annotated[
        Path | None,
        typer.Option(help="Vertrauensanker, von anderswo bekannt / public JWK of the trust anchor"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Zeigen, warum übermittelt wurde: dem Datenschutz beider Behörden / show why it was sent.

    Gezeigt wird nur, was im Protokoll steht und vom Absender signiert ist.

    Bleibt etwas offen, endet es mit 1 und Hinweis / exit code 1 with a notice: what is open.
    """
    from meldeweg.cli import audit_fetching  # noqa: PLC0415 - loaded when asked for
    from meldeweg.cli.audit_evidence import weigh  # noqa: PLC0415 - as above
    from meldeweg.cli.audit_open import open_entry  # noqa: PLC0415 - as above
    from meldeweg.kernel.clock import SystemClock  # noqa: PLC0415 - as above
    from meldeweg.kernel.keyfile import read_open_key  # noqa: PLC0415 - as above

    if (index is None) == (digest is None):
        raise typer.BadParameter("one of the two: an index, or --digest")
    private, known = read_open_key(key), _register(auditor, register, anchor)
    if index is None:
        entry = audit_fetching.by_digest(auditor, digest or "", year)
    else:
        entry = audit_fetching.by_index(auditor, index, year)
    opened = open_entry(entry, private)
    proof = audit_fetching.proof_of(auditor, entry)
    evidence = weigh(opened, entry, proof, known, SystemClock().now())
    context = json.loads(opened.statement.context_bytes)
    head, signer = evidence.head, {"agency": context["from"], "kid": evidence.signer}
    if as_json:
        log = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
        found = {"index": entry.index, "context": context, "record": opened.record, "log": log}
        echo_json(found | {"signed_by": signer, "notices": list(evidence.notices)})
    else:
        pairs([*context.items(), *opened.record.items()])
        where = f"{entry.index} / {head.size}, {head.origin}, {head.root.hex()}"
        pairs(
            [
                ("im Protokoll / in the log", where),
                ("signiert von / signed by", f"{signer['agency']}, {signer['kid']}"),
                *(("Hinweis / notice", each) for each in evidence.notices),
            ]
        )
    raise typer.Exit(1 if evidence.notices else 0)


def _register(auditor: Auditor, register: Path | None, anchor: Path | None) -> "Register":
    """Return whose keys count: from a file and the anchor, or from the local stack."""
    from meldeweg.cli import register_file  # noqa: PLC0415 - loaded when asked for

    if register is not None and anchor is not None:
        return register_file.read(register, anchor)
    if register is not None or anchor is not None or auditor.stack is None:
        raise typer.BadParameter("--register and --anchor, both (or --dir alone)")
    return register_file.of_stack(auditor.stack)


def _show(report: dict[str, Any], seconds: float) -> None:
    from meldeweg.cli.refusals import german  # noqa: PLC0415 - loaded when asked for

    if report["before"]:
        typer.echo("Vorjahr / the year before:")
        _show(report["before"], seconds)
        typer.echo("\nDieses Jahr / this year:")
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
            if kind != "notices" and (sentence := german(finding["code"])):
                said += f" ({sentence})"
            typer.echo(safe(said))  # an export may have been made to harm whoever verifies it
