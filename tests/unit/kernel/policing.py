"""Transfers that the tests of policy begin with, and how they ask."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from districts import document_bytes, standing
from meldeweg.kernel import policy
from meldeweg.kernel.agreement import AgreementStatus
from meldeweg.kernel.ids import AgencyId, Ags
from meldeweg.kernel.policy import NotCovered, Original, Transfer
from meldeweg.kernel.schemas.record import Labels, Places
from meldeweg.kernel.schemas.vocabulary import DataCategory, Entrusted, Ground, MessageType
from meldeweg.kernel.statement import Urgency

POLICE, KREIS = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")
KEMPEN, STRANGER = AgencyId("jugendamt-kempen"), AgencyId("jugendamt-fremdstadt")
GREFRATH, KEMPEN_TOWN, VIERSEN_TOWN = Ags("05166008"), Ags("05166012"), Ags("05166032")
ELSEWHERE = Ags("05162004")
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # 10:00 in Berlin
LABELS = Labels(
    collected_by="Kreispolizeibehörde Beispiel",
    means="offen, Einsatz",
    category_of_person="Geschädigte",
    offence="Körperverletzung",
)
HELD = standing()
RUN_OFF = replace(HELD, status=AgreementStatus.RUN_OFF)
REPORT = Transfer(
    sender=POLICE,
    recipient=KREIS,
    type=MessageType.NOTIFICATION,
    data_categories=(DataCategory.IDENTITY, DataCategory.INCIDENT),
    grounds=(Ground.DOMESTIC_VIOLENCE,),
    labels=LABELS,
)
CALL_FOR_HELP = Transfer(
    sender=KREIS,
    recipient=POLICE,
    type=MessageType.IMMEDIATE_ACTION,
    data_categories=(DataCategory.IDENTITY,),
    entrusted=Entrusted.NONE,
)
REPLY = replace(
    CALL_FOR_HELP,
    type=MessageType.REPLY,
    original=Original(sender=POLICE, recipient=KREIS, type=MessageType.INQUIRY),
)
CORRECTION = replace(
    REPORT,
    type=MessageType.CORRECTION,
    grounds=(),
    original=Original(sender=POLICE, recipient=KREIS, type=MessageType.NOTIFICATION),
)
RETRACTION = replace(CORRECTION, type=MessageType.RETRACTION, data_categories=(), labels=None)
URGENT = {"override": True, "urgency": Urgency.IMMEDIATE}


HAND_ON = replace(
    CALL_FOR_HELP,
    recipient=KEMPEN,
    type=MessageType.NOTIFICATION,
    grounds=(Ground.NEGLECT,),
)


def decide(transfer, *held, at=MONDAY, **changes):
    return policy.decide(held or [HELD], replace(transfer, **changes), at)


def refused(transfer, *held, at=MONDAY, **changes):
    with pytest.raises(NotCovered) as info:
        decide(transfer, *held, at=at, **changes)
    assert info.value.code == "not-covered"
    return info.value


def with_clause(name, status=AgreementStatus.IN_FORCE, **changes):
    document = json.loads(document_bytes())
    clauses = [
        clause | changes if clause["id"] == name else clause for clause in document["clauses"]
    ]
    return standing(status=status, clauses=clauses)


def places(place=None, residence=None):
    return Places(place=place, residence=residence)
