"""Keys are rotated with messages under way: what was sealed and signed before still arrives."""

from e2e.asking import eventually
from e2e.invented import KREIS, OFFICER, POLICE, WORKER
from meldeweg.ceremony import keys
from meldeweg.kernel.keyfile import read_signing_key
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.trust.objects import KeyUse


def rotate(district, agency):
    identity = read_signing_key(district.places.offline(f"identity-{agency}.jwk"))
    return keys.rotate(identity, agency, district.places.keys(agency), district.now())


def test_rotated_with_messages_in_flight_nothing_is_lost_and_new_keys_are_used(district):
    with district.frozen(f"gateway-{KREIS}"):  # sealed to the old key, and waiting for it
        before = [district.report().id for _ in range(3)]
        for message in before:
            district.becomes(message, "sent")
        new = {KREIS: rotate(district, KREIS), POLICE: rotate(district, POLICE)}
        during = [district.report().id for _ in range(3)]
    eventually(lambda: _published(district, new))
    after = [district.report().id for _ in range(3)]
    back = district.kreis.send(
        "inquiry", {"agency": POLICE}, district.content(examples.INQUIRY), acting_person=WORKER
    )
    for message in (*before, *during, *after):
        district.becomes(message, "delivered")
    sent = [*before, *during, *after]
    assert [each for each in district.inbox(KREIS) if each in sent] == sent
    for message in sent:
        assert district.kreis.open(message, acting_person=WORKER).content["facts"]
    district.becomes(back.id, "delivered", sender=KREIS)
    assert district.police.open(back.id, acting_person=OFFICER).content["questions"]
    eventually(lambda: _signs_with(district, POLICE, new[POLICE][KeyUse.SIGN]))
    eventually(lambda: _signs_with(district, KREIS, new[KREIS][KeyUse.SIGN]))


def test_the_rotation_is_an_event_in_the_log(district):
    assert eventually(lambda: district.events(KREIS, "key-published"))


def _published(district, new):
    with district.desk() as desk:
        known = {each["agency"]: {key["kid"] for key in each["keys"]} for each in desk.agencies()}
    return all(set(kids.values()) <= known[agency] for agency, kids in new.items())


def _signs_with(district, agency, kid):
    """Say whether the newest statement of the agency in the log is signed with that key."""
    mine = [s for _, s in district.statements() if s.context.sender == agency]
    return max(mine, key=lambda s: s.context.created).jws.kid == kid
