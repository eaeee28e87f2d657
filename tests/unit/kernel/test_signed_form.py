"""A signed payload has one form: what two readers could read differently is refused."""

import pytest

from meldeweg.kernel import event, signing
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.event import Event, EventKind, Heartbeat
from meldeweg.kernel.ids import AgencyId, KeyId, new_message_id
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.objects import KeyRevoked

NOW = from_rfc3339("2026-11-22T18:19:43.000Z")
REVOKED = KeyRevoked(
    v=1, agency=AgencyId("polizei-viersen"), kid=KeyId("A" * 43), reason="Gerät verloren", at=NOW
)
FORMS = {
    "a name twice": lambda text: text.replace(
        b'"agency":', b'"agency":"jugendamt-nettetal","agency":'
    ),
    "another order": lambda text: b'{"at":' + text.split(b'"at":')[1][:-1] + b"," + text[1:],
    "white space": lambda text: text.replace(b",", b", ", 1),
    "an escape too many": lambda text: text.replace("ä".encode(), rb"\u00e4"),
    "null for absent": lambda text: text[:-1] + b',"code":null}',
}


@pytest.mark.parametrize("form", FORMS)
def test_trust_objects_are_read_in_one_form_only(form):
    text = FORMS[form](REVOKED.bytes())
    assert text != REVOKED.bytes()
    with pytest.raises(Refused) as refused:
        KeyRevoked.read_signed(text, "trust-record-malformed")
    assert refused.value.code == "trust-record-malformed"


def test_what_we_write_is_what_we_read():
    assert KeyRevoked.read_signed(REVOKED.bytes(), "x") == REVOKED


@pytest.mark.parametrize("body", ["event", "heartbeat"])
def test_events_and_heartbeats_are_read_in_one_form_only(body):
    key, me = SigningKey.generate(), AgencyId("polizei-viersen")
    made: Event | Heartbeat = Event(
        v=1, id=new_message_id(), agency=me, kind=EventKind.STARTED, at=NOW
    )
    if body == "heartbeat":
        made = Heartbeat(
            v=1, id=new_message_id(), agency=me, at=NOW, sent={}, received={},
            parked=0, quarantined=0, waiting=0,
        )  # fmt: skip
    assert event.parse(event.sign(made, key)).body == made
    typ = Typ.EVENT if body == "event" else Typ.HEARTBEAT
    twice = made.bytes().replace(b'"agency":', b'"agency":"jugendamt-nettetal","agency":')
    with pytest.raises(Refused) as refused:
        event.parse(signing.sign(key, typ, twice))
    assert refused.value.code == f"{body}-malformed"
