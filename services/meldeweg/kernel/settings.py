"""Settings of a service: `MELDEWEG_…` in the environment, over the TOML file `MELDEWEG_CONFIG`.

Guarantees: an unknown, missing or malformed setting stops the process with its name and never with
its value; a seam (failpoints, a bent clock) is refused in production; every setting says what it
means. Trusts: the environment and the file are the operator's. Secrets never are settings: a
setting names the file that holds one.
"""

import difflib
import os
import tomllib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, Self, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from meldeweg.kernel.bounds import Addresses, Offset
from meldeweg.kernel.clock import Clock, SystemClock
from meldeweg.kernel.errors import Fatal

PREFIX = "MELDEWEG_"
CONFIG = "MELDEWEG_CONFIG"
# Variables of the command line, which may stand in a service's environment too.
COMMAND_LINE = frozenset(
    {
        "MELDEWEG_CACHE",
        "MELDEWEG_DIR",
        "MELDEWEG_GATEWAY_URL",
        "MELDEWEG_JAVA_OPTIONS",
        "MELDEWEG_LOCAL",
        "MELDEWEG_TOKEN_FILE",
    }
)
_SEAM = "seam"
_S = TypeVar("_S", bound="Settings")


class Mode(StrEnum):
    """`production` refuses every seam; `demo` is for the local backbone, tests and faults."""

    PRODUCTION = "production"
    DEMO = "demo"


@dataclass(frozen=True, slots=True)
class Described:
    """One setting as an operator sees it: name in TOML, in the environment, default, meaning."""

    name: str
    variable: str
    default: str
    meaning: str


def seam(default: Any, description: str) -> Any:
    """Declare a setting that only tests and fault campaigns use; refused in production."""
    return Field(default=default, description=description, json_schema_extra={_SEAM: True})


def _demand_meanings(cls: type[BaseModel]) -> None:
    for name, field in cls.model_fields.items():
        if not field.description:
            raise TypeError(f"{cls.__name__}.{name} needs a description: operators read it")


class Group(BaseModel):
    """A table of settings, `[http]` in TOML, `MELDEWEG_HTTP__…` in the environment."""

    # Not strict: the environment knows only text, so "8080" has to become a number.
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        _demand_meanings(cls)


class KafkaSettings(Group):
    """Where the broker is and who we are there."""

    bootstrap: Addresses = Field(description="broker addresses, host:port, separated by commas")
    ca: Path = Field(description="file with the CA certificates that broker certificates chain to")
    cert: Path = Field(description="file with this client's certificate chain (PEM)")
    key: Path = Field(description="file with this client's private key (PEM, PKCS #8)")


class HttpSettings(Group):
    """Where this service listens."""

    host: str = Field(
        default="127.0.0.1",
        pattern=r"^[A-Za-z0-9._:%-]{1,253}$",
        description="address to listen on",
    )
    port: int = Field(
        default=0, ge=0, le=65535, description="port to listen on; 0 takes a free one"
    )
    cert: Path | None = Field(default=None, description="server certificate chain (PEM): TLS")
    key: Path | None = Field(default=None, description="private key of that certificate (PEM)")
    plain: bool = Field(
        default=False,
        description="allow HTTP without TLS in production (behind a proxy that ends TLS)",
    )

    @model_validator(mode="after")
    def _tls_beyond_loopback(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise PydanticCustomError("setting-invalid", "http.cert and http.key belong together")
        if self.host not in ("127.0.0.1", "::1", "localhost") and not (self.cert or self.plain):
            raise PydanticCustomError(
                "setting-http-plain", "http.host is not loopback: set http.cert and .key"
            )
        return self


class Settings(BaseSettings):
    """Base of every service's settings. Read with `load`; shown with `describe`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        case_sensitive=False,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        allow_inf_nan=False,  # no loop may wait for ever, and no clock be off by nothing countable
        nested_model_default_partial_update=True,
    )

    mode: Mode = Field(default=Mode.PRODUCTION, description="production, or demo: allows seams")
    http: HttpSettings = Field(default=HttpSettings(), description="where this service listens")
    failpoints: str = seam("", "faults at named points: name=kill|sleep:5|error, each with @n")
    clock_offset: Offset = seam(0.0, "seconds by which this service's clock is wrong")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        _demand_meanings(cls)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(CONFIG)
        toml = (TomlConfigSettingsSource(settings_cls, toml_file=file),) if file else ()
        return (init_settings, env_settings, *toml)

    def clock(self) -> Clock:
        """Return this service's clock, as wrong as the seam says."""
        return SystemClock(timedelta(seconds=self.clock_offset))

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.mode is not Mode.PRODUCTION:
            return self
        wrong = [
            ("setting-seam-in-production", f"{name} needs mode = demo")
            for name, field in type(self).model_fields.items()
            if _is_seam(field) and getattr(self, name) != field.default
        ]
        if not (self.http.cert or self.http.plain):
            wrong.append(("setting-http-plain", "production: set http.cert and http.key"))
        if wrong:
            raise _named(wrong)
        return self


def load(cls: type[_S]) -> _S:
    """Read `cls` from the environment and the TOML file, or stop and name all that is wrong.

    Raises Fatal with the gravest code of `_GRAVITY`; the text has each of the others.
    """
    unknown = _unknown({CONFIG, *(line.variable for line in describe(cls))})
    wrong = [("setting-unknown", said) for said in unknown.values()]
    # Raised below, outside the handlers: what pydantic found would go along, and it has the values.
    try:
        _check_file(os.environ.get(CONFIG))
        settings = cls()
    except ValidationError as exc:
        wrong += _explained(exc, unknown)
    except SettingsError as exc:
        wrong.append(("setting-invalid", str(exc)))  # names the field, not the value
    except Fatal as exc:
        wrong.append((exc.code, exc.detail))
    else:
        if not wrong:
            return settings
    raise _named(wrong)


def refuse_unknown(known: Collection[str]) -> None:
    """Stop on `MELDEWEG_…` variables that neither `known` nor the command line has.

    Raises Fatal `setting-unknown`, with the name of each and the one that is nearest.
    """
    if unknown := _unknown(known):
        raise _named([("setting-unknown", said) for said in unknown.values()])


def refuse_any() -> None:
    """Stop on `MELDEWEG_…` variables that are a service's own, where each gets its own anyway.

    Raises Fatal `setting-without-effect`, with the name of each.
    """
    if names := sorted(_unknown(()).keys()):
        raise Fatal("setting-without-effect", ", ".join(names))


def _unknown(known: Collection[str]) -> dict[str, str]:
    """Return variable in capitals → how it is written, and the known one that is nearest."""
    all_known = {*known, *COMMAND_LINE}
    found = {}
    for variable in os.environ:
        name = variable.upper()
        if name.startswith(PREFIX) and name not in all_known:
            near = difflib.get_close_matches(name, all_known, n=1)
            found[name] = variable + (f"; did you mean {near[0]}?" if near else "")
    return found


def describe(cls: type[BaseModel]) -> list[Described]:
    """Return every setting of `cls`, groups unfolded, in the order of declaration."""
    return list(_unfolded(cls, ()))


def said(name: str) -> str:
    """Return a setting's name in TOML with that in the environment: `store (MELDEWEG_STORE)`."""
    return f"{name} ({_variable(name.split('.'))})"


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Name the setting in whatever goes wrong with the file or directory that it names.

    A Fatal keeps its code; what the operating system refuses, or a path that none can be, becomes
    Fatal `setting-invalid`. Neither says more of the value than the path of a file.
    """
    try:
        yield
    except Fatal as exc:
        raise Fatal(exc.code, f"{said(name)}: {exc.detail}") from exc
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        raise Fatal("setting-invalid", f"{said(name)}: {where}{exc.strerror}") from exc
    except ValueError as exc:
        raise Fatal("setting-invalid", f"{said(name)}: no path can be this") from exc


def read_secret(path: Path) -> str:
    """Return the text of a secret's file without its last newline.

    Raises Fatal `secret-unreadable`, or `secret-empty`: an empty token would let everybody in.
    """
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError) as exc:  # UnicodeDecodeError, and a path with a NUL
        raise Fatal("secret-unreadable", str(path)) from exc
    if not text.strip():
        raise Fatal("secret-empty", str(path))
    return text


def _variable(path: Sequence[str]) -> str:
    return PREFIX + "__".join(path).upper()


def _unfolded(cls: type[BaseModel], above: tuple[str, ...]) -> Iterator[Described]:
    for name, field in cls.model_fields.items():
        path = (*above, name)
        if group := _group_of(field.annotation):
            yield from _unfolded(group, path)
        else:
            default = "required" if field.is_required() else _shown(field.get_default())
            yield Described(".".join(path), _variable(path), default, field.description or "")


def _shown(default: object) -> str:
    return "none" if default is None else str(default)


def _group_of(annotation: Any) -> type[Group] | None:
    if isinstance(annotation, type) and issubclass(annotation, Group):
        return annotation
    if get_origin(annotation) in (Union, UnionType):  # `Group | None`: a table that may be absent
        return next(filter(None, map(_group_of, get_args(annotation))), None)
    return None


def _is_seam(field: FieldInfo) -> bool:
    return isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get(_SEAM) is True


def _check_file(file: str | None) -> None:
    # pydantic-settings passes over a file that is not there; an operator named this one.
    if file is None:
        return
    try:
        tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        # The parser's words name line and column; they quote no value, but are not ours either.
        raise Fatal("setting-file-unreadable", f"{CONFIG}={file}") from exc


_GRAVITY = (
    "setting-unknown",
    "setting-file-unreadable",
    "setting-invalid",
    "setting-seam-in-production",
    "setting-http-plain",
    "setting-missing",
)


def _named(wrong: Sequence[tuple[str, str]]) -> Fatal:
    """Name all under the gravest code: one that is missing must not hide one that is misspelt."""
    found = sorted(wrong, key=lambda each: _GRAVITY.index(each[0]))
    gravest = found[0][0]
    said = [what if code == gravest else f"{code}: {what}" for code, what in found]
    return Fatal(gravest, "; ".join(said))


def _explained(exc: ValidationError, unknown: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield code and text of each error, without those of variables that are named already."""
    for error in exc.errors(include_url=False, include_input=False, include_context=False):
        path = [str(part) for part in error["loc"]]
        variable, name = _variable(path), said(".".join(path))
        match error["type"]:
            case "missing":
                yield "setting-missing", name
            case "extra_forbidden":
                if variable not in unknown:
                    yield "setting-unknown", name
            case code if code in _GRAVITY:  # a group's own, in words of ours
                yield code, error["msg"]
            case _:
                yield "setting-invalid", f"{name}: {error['msg']}"
