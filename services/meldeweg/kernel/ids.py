"""Identifiers as types: parsed once at the edge, strings ever after.

Each class checks its pattern when constructed and tells pydantic, and so the JSON Schemas.
"""

import hashlib
import re
from typing import Any, ClassVar, Self

import uuid_utils
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from meldeweg.kernel.errors import Refused

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class _Checked(str):
    """A string that matches its class's pattern, or is refused."""

    PATTERN: ClassVar[re.Pattern[str]]
    CODE: ClassVar[str]
    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not cls.PATTERN.fullmatch(text):
            raise Refused(cls.CODE, f"does not match {cls.PATTERN.pattern}")
        return super().__new__(cls, text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = core_schema.str_schema(pattern=f"^(?:{cls.PATTERN.pattern})$", strict=True)
        # The pattern has been checked; `str.__new__` spares a second match.
        return core_schema.no_info_after_validator_function(
            lambda text: str.__new__(cls, text),
            plain,
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )


class AgencyId(_Checked):
    """An agency of the district, for instance `jugendamt-kreis-viersen`."""

    PATTERN = re.compile(r"[a-z0-9]{1,40}(?:-[a-z0-9]{1,40}){0,5}")
    CODE = "agency-id-malformed"


class Ags(_Checked):
    """Amtlicher Gemeindeschlüssel: the eight digits of a municipality."""

    PATTERN = re.compile(r"[0-9]{8}")
    CODE = "ags-malformed"


class MessageId(_Checked):
    """UUIDv7 (RFC 9562) in its lower-case text form."""

    PATTERN = re.compile(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    )
    CODE = "message-id-malformed"


class Digest(_Checked):
    """SHA-256 in lower-case hexadecimal."""

    PATTERN = re.compile(r"[0-9a-f]{64}")
    CODE = "digest-malformed"

    @classmethod
    def of(cls, *parts: bytes) -> Self:
        """SHA-256 over the concatenation of `parts`."""
        state = hashlib.sha256()
        for part in parts:
            state.update(part)
        return str.__new__(cls, state.hexdigest())

    def raw(self) -> bytes:
        """Return the 32 bytes."""
        return bytes.fromhex(self)


class KeyId(_Checked):
    """JWK thumbprint (RFC 7638), base64url without padding."""

    PATTERN = re.compile(r"[A-Za-z0-9_-]{43}")
    CODE = "key-id-malformed"


class Kennzeichen(_Checked):
    """Six speakable characters for telephone, screen and paper file (Crockford base 32)."""

    PATTERN = re.compile(r"[0-9A-HJKMNP-TV-Z]{6}")
    CODE = "kennzeichen-malformed"

    @classmethod
    def of(cls, message: MessageId) -> Self:
        """Derive it from the id, so that both ends show the same without exchanging it."""
        bits = int.from_bytes(hashlib.sha256(message.encode()).digest()[:4]) >> 2
        return str.__new__(
            cls, "".join(_CROCKFORD[bits >> shift & 31] for shift in range(25, -1, -5))
        )


def new_message_id() -> MessageId:
    """Return a fresh UUIDv7; time-ordered, unique without coordination."""
    return MessageId(str(uuid_utils.uuid7()))
