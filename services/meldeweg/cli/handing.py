"""Handing signed objects in at the registry, and saying what was made: shared by the ceremonies."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from meldeweg.ceremony.desk import Desk
from meldeweg.cli.showing import echo_json
from meldeweg.kernel.ids import Digest

Url = Annotated[str | None, typer.Option(help="address of the registry, instead of --dir")]
TokenFile = Annotated[Path | None, typer.Option(help="file with the operators' token")]


def hand_in(desk: Desk, values: Iterable[bytes], *, as_json: bool) -> None:
    """Hand in one after the other and print each digest; ends at the first that is refused."""
    done: list[Digest] = []
    with desk:
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
