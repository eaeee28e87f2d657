"""Handing signed objects in at the registry, and saying what was made: shared by the ceremonies."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk, desk_of
from meldeweg.cli.showing import echo_json
from meldeweg.cli.target import Dir, connected
from meldeweg.kernel.ids import Digest

at_desk = connected(
    {
        "directory": Dir,
        "url": Annotated[
            str | None, typer.Option("--url", help="Adresse des Registers, statt --dir")
        ],
        "token_file": Annotated[
            Path | None, typer.Option("--token-file", help="Datei mit dem Token des Betriebs")
        ],
        "ca": Annotated[
            Path | None, typer.Option("--ca", help="CA-Zertifikate des Registers (PEM)")
        ],
    },
    desk_of,
)
"""Gives a command the options that name a registry, and the open desk as first argument."""


def hand_in(desk: Desk, values: Iterable[bytes], *, as_json: bool) -> None:
    """Hand in one after the other and print each digest; ends at the first that is refused."""
    done: list[Digest] = []
    for value in values:
        done.append(desk.submit(value))
        if not as_json:
            typer.echo(done[-1])
    if as_json:
        echo_json({"digests": done})


def said(path: Path, digest: Digest, *, as_json: bool) -> None:
    """Print which file was made, and the digest of its bytes."""
    if as_json:
        echo_json({"file": str(path), "digest": digest})
    else:
        typer.echo(f"{path}: {digest}")
