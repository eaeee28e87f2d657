"""What a command talks to: named by address and token file, or found in a local stack.

Guarantees: a token is read from a file, never taken from the command line, where others could see
it. Trusts: `stack.json` of the directory the user names.
"""

import inspect
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from meldeweg.cli import files
from meldeweg.kernel.errors import Refused, Unavailable

if TYPE_CHECKING:
    from meldeweg.client import Gateway

R = TypeVar("R")

Dir = Annotated[
    Path | None,
    typer.Option("--dir", envvar="MELDEWEG_DIR", help="Verzeichnis von `meldeweg local up`"),
]

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="MELDEWEG_GATEWAY_URL", help="Adresse des Gateways, statt --dir"),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", envvar="MELDEWEG_TOKEN_FILE", help="Datei mit dem Token"),
]
Ca = Annotated[Path | None, typer.Option("--ca", help="CA-Zertifikate des Gateways (PEM)")]


def find(
    directory: Path | None,
    agency: str | None,
    url: str | None = None,
    token_file: Path | None = None,
    ca: Path | None = None,
) -> "Gateway":
    """Return the gateway to talk to; Refused `gateway-not-named`, Unavailable `stack-…`."""
    from meldeweg.client import Gateway  # noqa: PLC0415 - loads the HTTP client

    if url is None:
        entry = in_stack(directory, agency)
        url, token = str(entry["url"]), str(entry["token"])
    elif token_file is None:
        raise Refused("gateway-not-named", "--url needs --token-file")
    else:
        token = files.token(token_file)
    try:
        return Gateway(url, token, ca=ca)
    except OSError as exc:  # also what is no certificate
        raise Refused("ca-unreadable", str(ca)) from exc
    except ValueError as exc:
        raise Refused("gateway-not-named", str(exc)) from exc


def in_stack(directory: Path | None, agency: str | None) -> dict[str, Any]:
    """Return the agency's entry of `stack.json`; with one agency alone it need not be named."""
    if directory is None:
        raise Refused("gateway-not-named", "--dir, oder --url und --token-file")
    try:
        agencies = dict(json.loads((directory / "stack.json").read_text())["agencies"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise Unavailable("stack-not-running", f"{directory}: stack.json") from exc
    if agency is None and len(agencies) == 1:
        agency = next(iter(agencies))
    if agency not in agencies:
        raise Refused("agency-not-named", f"--agency: {', '.join(sorted(agencies))}")
    entry = agencies[agency]
    if not isinstance(entry, dict) or not {"url", "token"} <= entry.keys():
        raise Unavailable("stack-not-running", f"{directory}: stack.json")
    return entry


def complete_agency(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the agencies of the stack that `--dir` names."""
    try:
        data = json.loads((Path(ctx.params.get("directory") or ".") / "stack.json").read_text())
        return [name for name in data["agencies"] if name.startswith(incomplete)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


Agency = Annotated[
    str | None,
    typer.Option("--agency", help="Kennung der eigenen Behörde", autocompletion=complete_agency),
]

Command = Callable[..., R]


def connected(
    options: dict[str, Any], opened: Callable[..., AbstractContextManager[Any]]
) -> Callable[[Command[R]], Command[R]]:
    """Return a decorator: the command gets these options, and what they name as first argument.

    `opened` takes the options by name; what it returns is closed when the command ends.
    """

    def decorate(command: Command[R]) -> Command[R]:
        @wraps(command)
        def run(**given: Any) -> R:
            with opened(**{name: given.pop(name) for name in options}) as target:
                return command(target, **given)

        own = list(inspect.signature(command).parameters.values())[1:]
        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(name, keyword, default=None, annotation=kind)
            for name, kind in options.items()
        ]
        last = own.pop().replace(kind=keyword)  # --json stays the last of them all
        signature = inspect.Signature([*own, *added, last])
        run.__signature__ = signature  # type: ignore[attr-defined]  # what Typer reads
        run.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
        return run

    return decorate


targeted = connected(
    {"directory": Dir, "agency": Agency, "url": Url, "token_file": TokenFile, "ca": Ca}, find
)
