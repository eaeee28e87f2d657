from itertools import count

from meldeweg.gateway.numbering import Numbering
from meldeweg.kernel.ids import AgencyId

A, B = AgencyId("jugendamt-nettetal"), AgencyId("jugendamt-willich")


def _numbering():
    ids = count(1)
    return Numbering(lambda: f"{next(ids):016x}")


def test_numbers_are_dense_per_recipient():
    numbering = _numbering()
    drawn = [numbering.next(recipient) for recipient in (A, B, A, A, B)]
    assert [seq.n for seq in drawn] == [1, 1, 2, 3, 2]
    assert {seq.outbox for seq in drawn} == {"0000000000000001"}


def test_after_a_failed_commit_numbering_begins_anew_under_another_id():
    numbering = _numbering()
    numbering.next(A)
    numbering.restart()
    assert numbering.next(A).n == 1
    assert numbering.next(A).outbox == "0000000000000002"
