"""Who may be written to at this moment. Pure questions to the verified view."""

from collections.abc import Mapping

from meldeweg.kernel import topics
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.kernel.trust.view import View


def held_topics(view: View, me: AgencyId) -> frozenset[str]:
    """Return the topics that are not written now, because this agency or the partner is stopped.

    The broker would refuse the writes; what is queued waits until the brake is released.
    """
    agencies = view.agencies()
    stopped = {each for each in agencies if view.status(each) is not AgencyStatus.ACTIVE}
    mine = me in stopped
    found = {topics.inbox(to, me) for to in agencies if mine or to in stopped}
    return frozenset(found | {topics.events(me)} if mine else found)


def lost_topics(view: View, me: AgencyId) -> Mapping[str, str]:
    """Return topic → code where what waits never arrives: somebody was revoked for good.

    `recipient-revoked`, or for every topic `sender-revoked`: this agency itself.
    """
    revoked = {each for each in view.agencies() if view.status(each) is AgencyStatus.REVOKED}
    if me in revoked:
        return {topics.inbox(to, me): "sender-revoked" for to in view.agencies()}
    return {topics.inbox(to, me): "recipient-revoked" for to in revoked}
