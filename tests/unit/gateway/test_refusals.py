"""The table of codes is whole: whatever a step of receiving can raise stands in it, and no more."""

import ast
from pathlib import Path

import meldeweg
from meldeweg.cli.refusals import document as whole_page
from meldeweg.gateway import refusals
from meldeweg.gateway.refusals import BY_PERSONS, UNKNOWN, catalogue, explained
from meldeweg.kernel.policy import Rule

ROOT = Path(meldeweg.__file__).parent
# Where the codes of a record's refusal are raised.
MODULES = (
    "kernel/signing.py",
    "kernel/statement.py",
    "kernel/topics.py",
    "kernel/trust/view.py",
    "kernel/policy/transfer.py",
    "kernel/schemas/__init__.py",
    "kernel/schemas/invalid.py",
    "envelope/sealing.py",
    "gateway/verification.py",
    "gateway/opening.py",
    "gateway/covering.py",
    "gateway/judging.py",
    "gateway/placing.py",
)
# Raised there too, but not about a record that arrives.
ELSEWHERE = {
    "envelope-recipients",  # sealing
    "json-unwritable",
    "receipt-code",  # inside a context: context-malformed
    "context-contradicts",  # likewise
    "step-impossible",  # becomes receipt-impossible
    "key-malformed",
    "jws-too-small",
}
# Raised where the scan does not look: by a type's name, by the brake, by parking, by keys.
BESIDE = {
    "digest-malformed",
    "key-id-malformed",
    "signature-invalid",
    "parking-full",
    "term-ended",  # of what waits here and was not delivered: undeliverable
    "recipient-ambiguous",  # only a sender asks who is responsible
}


def _nodes():
    for module in MODULES:
        yield from ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8")))


def raised():
    """Return the codes that stand in a call that raises."""
    return {
        code
        for node in _nodes()
        for code in [_raised(node)]
        if code is not None and code not in ELSEWHERE
    }


def _raised(node):
    match node:
        case ast.Call(func=ast.Name(id="Refused" | "Early"), args=[ast.Constant(str(code)), *_]):
            return code
        case ast.Call(func=ast.Attribute(attr="read"), args=[_, ast.Constant(str(code))]):
            return code
    return None


def mentioned():
    """Return every text of a code's form in those modules."""
    texts = {node.value for node in _nodes() if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and "-" in text}


def listed():
    return {code for group, codes in catalogue().items() if group != "persons" for code in codes}


def test_every_code_that_can_be_raised_is_explained():
    rules = {rule.value for rule in Rule} - {Rule.NOT_RESPONSIBLE.value}
    assert (raised() | rules | BESIDE) - listed() == set()
    assert len(raised()) > 25


def test_no_code_is_explained_that_nothing_raises():
    assert listed() - mentioned() - {rule.value for rule in Rule} - BESIDE == set()


def test_every_explanation_is_there_in_both_languages():
    for codes in catalogue().values():
        for code, entry in codes.items():
            assert entry.code == code
            assert entry.german.endswith(".")
            assert entry.english.endswith(".")
            assert entry.german != entry.english


def test_a_key_for_another_use_is_told_truly_of_signing_and_of_sealing():
    """One code of steps 2 and 7: what was sealed to an officer's key, nothing was signed with."""
    told = explained("key-use-wrong")
    assert "sign" not in f"{told.german} {told.english}".lower()


def test_codes_are_unique_and_in_their_form():
    everything = [code for codes in catalogue().values() for code in codes]
    assert len(set(everything)) == len(everything)
    for code in everything:
        assert code.replace("-", "").isalnum()
        assert code.islower()
        assert len(code) <= 60


def test_a_partners_newer_code_is_shown_as_unknown():
    assert explained("made-up-in-2031") is UNKNOWN
    assert explained("value-mismatch").german


def test_persons_refuse_with_codes_of_their_own():
    assert "not-responsible" in BY_PERSONS
    assert BY_PERSONS.isdisjoint(listed())


def test_the_page_in_the_docs_is_the_table_in_the_code():
    page = ROOT.parents[1] / "docs" / "refusals.md"
    assert page.read_text(encoding="utf-8") == whole_page()
    assert refusals.document() in whole_page()


def test_exactly_the_codes_of_early_refusals_are_shown_as_early():
    early = {
        node.args[0].value
        for node in _nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Early"
    }
    by_policy = {Rule.UNSIGNED.value}  # NotCoveredYet
    assert early | by_policy == refusals._EARLY
