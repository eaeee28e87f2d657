"""Steps 7 to 9 of a receipt: who may give it, of what, and what it must not say."""

import pytest

from meldeweg.gateway.judging import Receipt
from meldeweg.gateway.receipts import Word
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.statement import ReceiptKind
from unit.gateway.judgement import code, outcome
from unit.gateway.taking import person_receipt
from unit.gateway.world import KREIS, NETTETAL, POLICE


class TestReceipts:
    """Steps 7 to 9 of a receipt."""

    @pytest.mark.parametrize(("kind", "code_"), [("delivered", None), ("refused", "key-expired")])
    def test_the_gateways_own_receipts_have_nothing_sealed(self, world, kind, code_):
        receipt = world.receipt(world.message(), kind, code=code_)
        found = outcome(world, receipt, me=POLICE)
        assert isinstance(found, Receipt)
        assert found.word is None

    @pytest.mark.parametrize("kind", [ReceiptKind.ACKNOWLEDGED, ReceiptKind.ERASED])
    def test_a_persons_receipt_opens_for_the_sender_alone(self, world, kind):
        receipt = person_receipt(world, world.message(), kind)
        found = outcome(world, receipt, me=POLICE)
        assert isinstance(found, Receipt)
        assert found.word.by == "Erika Beispiel"
        assert b"Erika" not in receipt.value

    @pytest.mark.parametrize("named", [NETTETAL, KREIS, POLICE])
    def test_a_refusal_names_who_is_responsible_and_is_one_whoever_that_is(self, world, named):
        receipt = person_receipt(
            world,
            world.message(),
            ReceiptKind.REFUSED,
            word=Word(v=1, by="Erika Beispiel", responsible=named),
            code="not-responsible",
            responsible=named,
        )
        assert outcome(world, receipt, me=POLICE).word.responsible == named

    @pytest.mark.parametrize("kind", ["acknowledged", "erased"])
    def test_a_persons_receipt_without_a_person_is_refused(self, world, kind):
        receipt = world.receipt(world.message(), kind)
        assert code(world, receipt, me=POLICE) == ("receipt-contradicts", False)

    def test_what_is_sealed_needs_its_commitment_and_the_other_way(self, world):
        receipt = world.receipt(world.message(), "delivered", record_sha256=Digest.of(b""))
        assert code(world, receipt, me=POLICE) == ("receipt-contradicts", False)

    @pytest.mark.parametrize(
        "changes",
        [
            {"reason": "andere Gründe"},
            {"kind": ReceiptKind.ERASED},
            {"of": Digest.of(b"other")},
            {"responsible": NETTETAL},
        ],
        ids=str,
    )
    def test_word_record_and_context_say_the_same(self, world, changes):
        receipt = person_receipt(
            world,
            world.message(),
            ReceiptKind.ACKNOWLEDGED,
            word=Word(v=1, by="Erika Beispiel"),
            bent=changes,
        )
        assert code(world, receipt, me=POLICE) == ("receipt-contradicts", False)

    def test_a_receipt_needs_an_agreement_too(self, world):
        receipt = world.receipt(world.message(), "delivered")
        register = world.register(without=(world.agreement,))
        assert code(world, receipt, me=POLICE, register=register) == ("agreement-unknown", True)
