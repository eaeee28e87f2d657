"""Both implementations take, keep waiting or refuse the same of every object of trust that its own
signer bent: a register that takes more than another's follows another chain."""

import json

import pytest

from interop.differing import clean
from interop.test_second import WAY, told
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode
from unit.gateway.test_refused_vectors import view_of
from vectors.make_way import ANCHOR, IDENTITY, POLICE, REGISTRY, SIGN
from vectors.refused_trust import AGENCIES, AGREEMENTS, AT, KEYS, SNAPSHOTS, compact, payload

STATUS = {"v": 1, "agency": POLICE, "status": "suspended", "n": 5, "reason": "Erfunden", "at": AT}
REVOKED = {"v": 1, "agency": POLICE, "kid": SIGN[POLICE].kid, "reason": "Erfunden", "at": AT}
READS = {"v": 1, "agency": POLICE, "types": {"notification": [1], "reply": [1]}, "at": AT}
SIGNED = {"v": 1, "agreement": WAY["expected"]["agreement"], "agency": POLICE, "at": AT}
OBJECTS = {
    "service-key": (Typ.SERVICE_KEY, ANCHOR, AGENCIES, payload(0, AGENCIES)),
    "enrolment": (Typ.ENROLMENT, ANCHOR, AGENCIES, payload(2, AGENCIES)),
    "status": (Typ.STATUS, REGISTRY, AGENCIES, STATUS),
    "key": (Typ.KEY, IDENTITY[POLICE], KEYS, payload(0, KEYS)),
    "key-revoked": (Typ.KEY_REVOKED, IDENTITY[POLICE], KEYS, REVOKED),
    "reads": (Typ.READS, SIGN[POLICE], KEYS, READS),
    "signature": (Typ.AGREEMENT_SIGNATURE, IDENTITY[POLICE], AGREEMENTS, SIGNED),
    "snapshot": (Typ.SNAPSHOT, REGISTRY, SNAPSHOTS, payload(0, SNAPSHOTS) | {"n": 9}),
}


def bent(typ, key, body):
    """Yield (place, how, token): header and payload bent, signed by who may sign such an object."""
    head = compact({"alg": "EdDSA", "kid": key.kid, "typ": typ.value})
    text = compact(body)
    yield "", "as it is", token(key, head, text)
    for place, how, header in clean(head):
        yield f"header {place}", how, token(key, header, text)
    for place, how, said in clean(text):
        yield place, how, token(key, head, said)


def token(key, head, text):
    signing = f"{b64u_encode(head)}.{b64u_encode(text)}"
    return f"{signing}.{b64u_encode(key.sign(signing.encode()))}"


def ours(view, topic, value):
    trial = view.trial()
    try:
        trial.apply(topic, value.encode())
    except Refused:
        return "refused"
    return "waits" if trial.pending() else "taken"


def theirs(second, topic, value):
    """What it says; then without what this one left behind."""
    asked = {"Anchor": json.dumps(WAY["anchor"]), "Again": True}
    said = second.ask("trust", Trust=[{"Topic": topic, "Value": value}], **asked)
    (one,) = said["each"]
    if not one["ok"] and not said.get("waiting"):
        return "refused"
    told(second, {})
    return "taken" if one["ok"] else "waits"


@pytest.mark.parametrize("name", OBJECTS)
def test_both_say_the_same_of_an_object_of_trust_that_its_signer_bent(second, name):
    typ, key, topic, body = OBJECTS[name]
    told(second, {})
    view = view_of({})
    said = [
        (place, how, ours(view, topic, value), theirs(second, topic, value))
        for place, how, value in bent(typ, key, body)
    ]
    assert said[0][2] == "taken"
    assert [each for each in said if each[2] != each[3]] == []
    assert len([each for each in said if each[2] == "refused"]) > len(said) // 2


def test_what_the_way_has_is_what_is_bent():
    """Each kind of object that lies on the topics of trust."""
    there = {
        json.loads(b64u_decode(each["value"].split(".")[0]))["typ"]
        for each in WAY["records"]
        if each["topic"].startswith(("registry.", "keys.")) and not each["value"].startswith("{")
    }
    assert there <= {typ.value for typ, *_ in OBJECTS.values()}
