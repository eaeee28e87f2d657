"""From a district's readable file (TOML) to the document that the parties sign.

Guarantees: the same file and the same identity keys give the same bytes. Trusts the file: it is
part of the installation, and nothing of it counts before every party has signed.
"""

import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from meldeweg.kernel import strictjson
from meldeweg.kernel.agreement.document import (
    Agreement,
    Partner,
    Party,
    Term,
    Terms,
    check_parties,
    parse,
)
from meldeweg.kernel.errors import Fatal, Refused
from meldeweg.kernel.ids import AgencyId, KeyId
from meldeweg.kernel.model import where

# A wheel carries a copy of `deploy/` (pyproject: force-include); a checkout and an editable install
# have it beside `services/`.
_PACKAGE = Path(__file__).resolve().parents[2]
_ROOTS = (
    _PACKAGE / "local" / "_deploy" / "districts",
    _PACKAGE.parents[1] / "deploy" / "districts",
)


class DistrictConfig(Terms):
    """A district file."""

    parties: Annotated[tuple[Partner, ...], Field(min_length=2, max_length=100)]

    @model_validator(mode="after")
    def _responsibility_is_complete(self) -> Self:
        check_parties(self.parties, self.municipalities)
        return self


def districts() -> tuple[str, ...]:
    """Return the names of the districts that come with the software."""
    return tuple(sorted({path.stem for root in _ROOTS for path in root.glob("*.toml")}))


def load_district(name_or_path: str | Path) -> DistrictConfig:
    """Read a district file, by its name (`kreis-viersen`) or by a path ending in `.toml`.

    `Fatal("district-unknown")` or `Fatal("district-malformed")`, saying where.
    """
    path = _find(name_or_path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise Fatal("district-malformed", f"{path.name}: {exc}") from exc
    try:
        return DistrictConfig.model_validate_json(strictjson.dumps(_plain(document)))
    except ValidationError as exc:
        raise Fatal("district-malformed", f"{path.name}: {where(exc)}") from exc
    except Refused as exc:
        raise Fatal("district-malformed", f"{path.name}: {exc.detail}") from exc


def _find(name_or_path: str | Path) -> Path:
    if str(name_or_path).endswith(".toml"):
        return Path(name_or_path)
    for root in _ROOTS:
        candidate = root / f"{name_or_path}.toml"
        if str(name_or_path) == candidate.stem and candidate.exists():
            return candidate
    raise Fatal("district-unknown", f"{name_or_path}; there are: {', '.join(districts())}")


def _plain(value: Any) -> Any:
    """Return TOML's values as JSON has them: its dates are text there."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, date | time):
        return value.isoformat()
    return value


def build(
    district: DistrictConfig,
    identity_keys: Mapping[AgencyId, KeyId],
    *,
    term: Term | None = None,
) -> bytes:
    """Return the document to be signed, with each party's identity key pinned.

    `term` replaces the file's, for exercises and for a demonstration after the real term's end.
    `Refused("identity-key-missing")` names the agency; keys of others are ignored.
    """
    values = {name: getattr(district, name) for name in Terms.model_fields}
    agreement = Agreement(
        **values | ({"term": term} if term else {}),
        v=1,
        parties=tuple(_pinned(partner, identity_keys) for partner in district.parties),
    )
    document = strictjson.dumps(agreement.model_dump(mode="json", exclude_none=True))
    parse(document)  # what is signed can be read
    return document


def _pinned(partner: Partner, identity_keys: Mapping[AgencyId, KeyId]) -> Party:
    key = identity_keys.get(partner.agency)
    if key is None:
        raise Refused("identity-key-missing", partner.agency)
    return Party(**{name: getattr(partner, name) for name in Partner.model_fields}, identity=key)
