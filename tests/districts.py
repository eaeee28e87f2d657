"""The shipped districts as signed agreements, for tests: invented identity keys, any status."""

import hashlib

from meldeweg.kernel import agreement, strictjson
from meldeweg.kernel.agreement import AgreementStatus, Standing
from meldeweg.kernel.ids import AgencyId, KeyId

VIERSEN, RHEIN_ERFT = "kreis-viersen", "rhein-erft-kreis"
BOTH = (VIERSEN, RHEIN_ERFT)


def identity(agency):
    """Return a thumbprint that belongs to no key."""
    return KeyId(strictjson.b64u_encode(hashlib.sha256(agency.encode()).digest()))


def document_bytes(name=VIERSEN, **changes):
    """Return the document of a shipped district, with top-level members replaced."""
    district = agreement.load_district(name)
    keys = {party.agency: identity(party.agency) for party in district.parties}
    data = agreement.build(district, keys)
    return strictjson.dumps(strictjson.loads(data) | changes) if changes else data


def standing(name=VIERSEN, status=AgreementStatus.IN_FORCE, **changes):
    """Return an agreement with the status that a test wants it to have."""
    data = document_bytes(name, **changes)
    return Standing(agreement.digest(data), agreement.parse(data), status)


def agency(name):
    return AgencyId(name)


def parsed(name=VIERSEN, **changes):
    """Return what a reader of that document has."""
    return agreement.parse(document_bytes(name, **changes))


DOCUMENT = strictjson.loads(document_bytes())  # of Kreis Viersen, as it is written
PARTIES = DOCUMENT["parties"]
