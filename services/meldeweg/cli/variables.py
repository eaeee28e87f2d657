"""A misspelt `MELDEWEG_…` variable is refused before a command runs; it would have no effect.

Guarantees: names and no values. A service's settings may stand there: a command often runs beside
the service, in its environment. Which of them a command has no use for is its own to say.
"""

import os
from enum import StrEnum
from importlib import import_module
from typing import Any


class Service(StrEnum):
    """What has settings: `meldeweg.<service>.settings`, class `<Service>Settings`."""

    GATEWAY = "gateway"
    REGISTRY = "registry"
    AUDIT = "audit"
    WATCH = "watch"


def settings_of(service: Service) -> Any:
    """Return the class of a service's settings."""
    module = import_module(f"meldeweg.{service.value}.settings")
    return getattr(module, f"{service.value.capitalize()}Settings")


def refuse_misspelt() -> None:
    """Raise Fatal `setting-unknown` for variables that no command and no service reads."""
    if not any(name.upper().startswith("MELDEWEG_") for name in os.environ):
        return  # as for nearly everybody: nothing needs to be loaded
    from meldeweg.kernel.settings import CONFIG, describe, refuse_unknown  # noqa: PLC0415 - above

    settings = (one.variable for service in Service for one in describe(settings_of(service)))
    refuse_unknown({CONFIG, *settings})
