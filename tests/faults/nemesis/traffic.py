"""A few messages of a fault's own, so that what it armed is reached even when nobody else sends,
and what an agency's gateway has written at all.

Guarantees: each is written into the run's log of faults with its id, so that the checker knows it;
a gateway that dies under a call is no error here: that is often the purpose.
"""

import asyncio
import contextlib
import uuid

from e2e.invented import KREIS, LABELS, OFFICER, PLACES, POLICE, WORKER
from faults.fault import Field
from faults.nemesis.effect import NoEffect
from meldeweg.client import Accepted, Gateway, Problem, Unreachable
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas import examples

_TRIES = 10
_AGAIN = 1.0  # seconds between two tries with one key
_PATIENCE = 20.0  # seconds for a message of ours to arrive before it is given up


def agency_of(process: str) -> AgencyId:
    """`gateway-jugendamt-kempen` → `jugendamt-kempen`."""
    return AgencyId(process.removeprefix("gateway-"))


def partner_of(agency: AgencyId) -> AgencyId:
    """Whom it exchanges messages with: everybody the police, the police an office."""
    return KREIS if agency == POLICE else POLICE


def person_of(agency: AgencyId) -> str:
    return OFFICER if agency == POLICE else WORKER


def send(
    field: Field, sender: AgencyId, to: AgencyId | None = None, tries: int = 1
) -> Accepted | None:
    """Send one message; None if that was not to be.

    `tries`: how often in all, with one key, as a case system does whose gateway died of the call.
    """
    district = field.district
    recipient = to or partner_of(sender)
    entry = district.described.agencies[sender]
    police = sender == POLICE
    kind = "notification" if police else "inquiry"
    content = district.content() if police else district.content(examples.INQUIRY)
    more = {"labels": LABELS} if police else {}
    key = str(uuid.uuid4())
    with Gateway(entry.url, entry.token, retries=0) as once:
        for left in reversed(range(tries)):
            try:
                accepted = once.send(
                    kind,
                    _address(recipient),
                    content,
                    acting_person=person_of(sender),
                    key=key,
                    **more,
                )
            except (Unreachable, Problem) as exc:
                field.say("own-message-failed", agency=sender, key=key, why=type(exc).__name__)
                if isinstance(exc, Problem) or not left:
                    return None
                field.settle(_AGAIN)
            else:
                field.say("own-message", agency=sender, to=recipient, key=key, id=accepted.id)
                return accepted
    return None


def taken(field: Field, sender: AgencyId, to: AgencyId | None = None) -> Accepted:
    """Send one message, and again until one is taken: what a fault is to meet must be there."""
    for _ in range(_TRIES):
        accepted = send(field, sender, to)
        if accepted is not None:
            return accepted
        field.settle(1.0)
    raise NoEffect(f"{sender} takes no message to {to or partner_of(sender)}")


def take(field: Field, agency: AgencyId) -> None:
    """Have a message sent to the agency, opened and acknowledged there, as far as it goes."""
    sender = partner_of(agency)
    sent = send(field, sender, agency)
    if sent is None:
        return
    entry = field.district.described.agencies[agency]
    with Gateway(entry.url, entry.token, retries=0) as once:
        for _ in range(int(_PATIENCE)):
            field.settle(1.0)
            with contextlib.suppress(Problem):  # not there yet
                try:
                    field.say("own-open", agency=agency, id=sent.id, sender=sender)
                    once.open(sent.id, person_of(agency), sender=sender)
                    field.say("own-acknowledge", agency=agency, id=sent.id, sender=sender)
                    once.acknowledge(sent.id, by=person_of(agency), sender=sender)
                except Unreachable:  # it died of this: nobody is there to be asked again
                    field.say("own-take-failed", agency=agency, id=sent.id)
                return


def written_by(field: Field, agency: AgencyId) -> int:
    """Return how many records all inboxes got from that agency's gateway, as the broker says."""
    return asyncio.run(_written(field, f".{agency}"))


async def _written(field: Field, ends_with: str) -> int:
    admin = Admin(field.district.super_user())
    try:
        known = await admin.topics()
        names = [each for each in known if each.startswith("inbox.") and each.endswith(ends_with)]
        return sum(end for _, end in (await admin.offsets(names)).values())
    finally:
        await admin.close()


def _address(recipient: AgencyId) -> dict[str, str]:
    return {"agency": recipient} if recipient == POLICE else {"place": PLACES[recipient]}
