"""The entry that was asked for is fetched, whatever the audit service would rather show."""

from base64 import b64encode
from uuid import UUID

import pytest

from meldeweg.audit.project import project
from meldeweg.cli.audit_fetching import by_digest, by_index, proof_of
from meldeweg.kernel import statement
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import parse_canonical, statement_of
from unit.gateway.world import World

TOPIC_ID = UUID(int=7)


class Service:
    """Answers of an audit service, by path; what was asked is kept."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def get(self, path):
        self.asked.append(path)
        return self.answers[path.removeprefix("/v1/").partition("?")[0].replace("/", "_")]


@pytest.fixture(scope="module")
def two():
    """Two entries as the API gives them, with the message digest of each."""
    world = World()
    return [_answer(index, world.message()) for index in (1, 2)]


def _answer(index, record):
    made = project(TOPIC_ID.bytes, record)
    token = statement_of(parse_canonical(made.canonical).headers)
    said = {"year": 2026, "index": index, "topic_id": TOPIC_ID.hex, "offset": made.offset}
    said |= {"leaf": b64encode(made.leaf).decode(), "statement": token.decode()}
    said |= {"canonical": b64encode(made.canonical).decode(), "record": made.sealed.decode()}
    return said, statement.parse(token).digest


def _page(*items, following=None):
    return {"items": list(items), "next": following}


def test_it_is_found_by_index_and_by_digest_in_the_year_that_was_named(two):
    (first, _), (second, digest) = two
    service = Service(entries=_page(first, second), entries_2=second)
    assert by_index(service, 2).index == 2
    assert by_digest(service, digest, 2026) == by_index(service, 2, 2026)
    assert service.asked == [
        *("/v1/entries/2", "/v1/entries?start=0&year=2026"),
        *("/v1/entries/2?year=2026", "/v1/entries/2?year=2026"),
    ]


def test_a_year_that_turns_meanwhile_does_not_change_the_log(two):
    (first, _), (second, digest) = two

    class Turning(Service):
        def get(self, path):
            self.asked.append(path)
            year = 2026 if "year=2026" in path or len(self.asked) == 1 else 2027
            if "entries/" in path:
                return second | {"year": year}
            found = first if "start=0" in path else second
            return _page(found | {"year": year}, following=2 if "start=0" in path else None)

    service = Turning()
    assert by_digest(service, digest).year == 2026
    assert service.asked[1:] == ["/v1/entries?start=2&year=2026", "/v1/entries/2?year=2026"]
    mixed = Service(entries=_page(first, second | {"year": 2027}))
    with pytest.raises(Refused) as refused:
        by_digest(mixed, digest)
    assert refused.value.code == "entry-malformed"


def test_another_entry_than_the_one_asked_for_is_not_shown(two):
    (first, digest), (second, _) = two
    service = Service(entries=_page(first), entries_1=second | {"index": 1}, entries_2=first)
    for asked in (
        lambda: by_index(service, 2),
        lambda: by_index(service, 1, 2025),
        lambda: by_digest(service, digest),
    ):
        with pytest.raises(Refused) as refused:
            asked()
        assert refused.value.code == "entry-not-asked-for"


def test_what_is_not_there_is_not_looked_for_without_end(two):
    (first, _), (_, digest) = two
    with pytest.raises(Refused) as refused:
        by_digest(Service(entries=_page(first)), digest)
    assert refused.value.code == "entry-unknown"
    for page in (_page(first, following=0), [], _page({"index": "1"}), {"items": [], "next": "x"}):
        with pytest.raises(Refused) as refused:
            by_digest(Service(entries=page), digest)
        assert refused.value.code == "entry-malformed"


def test_the_proof_is_that_of_its_own_year(two):
    (first, _), _ = two
    service = Service(entries_1=first, proofs_inclusion={"checkpoint": "x", "proof": []})
    assert proof_of(service, by_index(service, 1)).checkpoint == b"x"
    assert service.asked[-1] == "/v1/proofs/inclusion?index=1&year=2026"
