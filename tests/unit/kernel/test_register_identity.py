"""An identity key is enrolled once: agreements pin it, and the anchor alone can't replace it."""

from datetime import timedelta

import pytest

from meldeweg.kernel import topics
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Early, Refused
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.trust.issue import certify, signed
from meldeweg.kernel.trust.objects import AgencyKind, Enrolment, KeyUse
from meldeweg.kernel.trust.register import Register

NOW = from_rfc3339("2026-11-22T18:19:43.000Z")
AGENCY = AgencyId("jugendamt-nettetal")
ANCHOR, IDENTITY, OTHER = SigningKey.generate(), SigningKey.generate(), SigningKey.generate()


def enrolment(identity, name="Jugendamt Nettetal", later=timedelta(0)):
    body = Enrolment(
        v=1,
        agency=AGENCY,
        name=name,
        kind=AgencyKind.YOUTH_OFFICE,
        municipalities=(Ags("05166016"),),
        identity=identity.public_jwk(),
        principal=f"gw-{AGENCY}",
        at=NOW + later,
    )
    return signed(body, ANCHOR)


@pytest.fixture
def register():
    made = Register(ANCHOR.public)
    made.apply(topics.REGISTRY_AGENCIES, enrolment(IDENTITY))
    return made


def test_the_anchor_alone_can_not_replace_an_identity_key(register):
    with pytest.raises(Refused) as refused:
        register.apply(topics.REGISTRY_AGENCIES, enrolment(OTHER, later=timedelta(days=1)))
    assert refused.value.code == "identity-changed"
    assert register.identity_kid(AGENCY) == IDENTITY.kid


def test_nobody_seals_to_a_key_that_another_identity_certified(register):
    with pytest.raises(Refused):
        register.apply(topics.REGISTRY_AGENCIES, enrolment(OTHER, later=timedelta(days=1)))
    theirs = certify(OTHER, AGENCY, OpenKey.generate().public, KeyUse.SEAL, NOW)
    with pytest.raises(Refused) as refused:
        register.apply(topics.keys(AGENCY), theirs)
    assert refused.value.code == "signature-key-mismatch"
    assert not register.certified(AGENCY)


def test_name_and_municipalities_may_change_under_the_same_identity(register):
    register.apply(
        topics.REGISTRY_AGENCIES, enrolment(IDENTITY, "Stadtjugendamt Nettetal", timedelta(days=1))
    )
    assert register.agency(AGENCY).name == "Stadtjugendamt Nettetal"
    register.apply(topics.REGISTRY_AGENCIES, enrolment(IDENTITY))  # an older one again
    assert register.agency(AGENCY).name == "Stadtjugendamt Nettetal"


def test_a_key_of_an_agency_that_is_not_enrolled_is_early():
    with pytest.raises(Early):
        Register(ANCHOR.public).admit(
            topics.keys(AGENCY),
            certify(IDENTITY, AGENCY, OpenKey.generate().public, KeyUse.SEAL, NOW),
        )
