"""The agreement document: parties, term, responsibility, clauses. JSON; its exact bytes count.

Guarantees: a document that was parsed is whole: each municipality has exactly one office of each
kind, each direction in which something may be said can also be corrected, and the run-off lasts
until the last content had to be deleted. Whether it is in force is `standing`'s question.
"""

from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from meldeweg.kernel import strictjson
from meldeweg.kernel.agreement.clause import Clause
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Ags, Digest, KeyId
from meldeweg.kernel.model import Frozen, Version1, where
from meldeweg.kernel.schemas.record import ClauseId
from meldeweg.kernel.schemas.values import Day, Line, Phone, Text, Unique
from meldeweg.kernel.schemas.vocabulary import Ground, MessageType
from meldeweg.kernel.trust.objects import AgencyKind

AGREEMENT_MAX = 512 * 1024  # bytes
LONGEST_MONTH = 31  # days


class Contact(Frozen):
    """Whom to phone: a function, never a private number."""

    role: Line
    phone: Phone
    hours: Line
    invented: bool


class Partner(Frozen):
    """A party as the district file names it, before its identity key is known."""

    agency: AgencyId
    name: Line
    kind: AgencyKind
    municipalities: Annotated[tuple[Ags, ...], Field(min_length=1, max_length=200), Unique()]
    call: Annotated[tuple[Contact, ...], Field(min_length=1, max_length=5)]


class Party(Partner):
    """A party with the identity key that must sign (RFC 7638 thumbprint)."""

    identity: KeyId


class Term(Frozen):
    """Days of the calendar in Germany, both included; after `until` comes the run-off."""

    first: Annotated[Day, Field(alias="from")]
    until: Day | None = None
    run_off_days: Annotated[int, Field(ge=0, le=3650)]
    assumed: bool
    source: Line

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.until is not None and self.until < self.first:
            raise Refused("agreement-contradicts", "term ends before it begins")
        return self


class Signing(Frozen):
    """What is known of the paper's signing; the electronic signatures are records of their own."""

    on: Day | None = None
    text: Line
    source: Line


class Calendar(Frozen):
    """Working days: Monday to Friday without the Land's holidays and without these dates."""

    # The sixteen of ISO 3166-2:DE: whose holidays nobody knows, no deadline can be computed.
    land: Annotated[str, Field(pattern=r"^(B[BEWY]|H[BEH]|MV|N[IW]|RP|S[HLNT]|TH)$")]
    closed: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")], ...],
        Field(max_length=20),
    ] = ()


class Provision(Frozen):
    """Something agreed that no software carries out: trainings, meetings, the evaluation."""

    id: ClauseId
    title: Line
    text: Text
    assumed: bool
    source: Line


class Protects(Frozen):
    """What the agreement is for."""

    text: Line
    grounds: Annotated[tuple[Ground, ...], Field(min_length=1), Unique()]


class District(Frozen):
    """The Kreis: five digits of the official key, and its name."""

    ags: Annotated[str, Field(pattern=r"^[0-9]{5}$")]
    name: Line


class Terms(Frozen):
    """Everything but the parties: what the district file and the signed document share."""

    id: ClauseId
    title: Line
    notice: Text
    district: District
    municipalities: Annotated[
        dict[Ags, Line],
        Field(min_length=1, max_length=200, json_schema_extra={"additionalProperties": False}),
    ]
    term: Term
    signing: Signing
    protects: Protects
    calendar: Calendar
    keep_months: Annotated[int, Field(ge=1, le=120)]  # how long a content may stay in Meldeweg
    clauses: Annotated[tuple[Clause, ...], Field(min_length=1, max_length=100)]
    provisions: Annotated[tuple[Provision, ...], Field(max_length=50)] = ()
    replaces: Digest | None = None

    @model_validator(mode="after")
    def _terms_are_whole(self) -> Self:
        names = [clause.id for clause in self.clauses]
        wrong = {
            "two clauses with one id": len(set(names)) != len(names),
            "a municipality of another district": not all(
                ags.startswith(self.district.ags) for ags in self.municipalities
            ),
            "the run-off ends before contents are deleted": self.term.run_off_days
            < (self.keep_months + 1) * LONGEST_MONTH,
        }
        _refuse(wrong)
        self._check_corrections()
        return self

    def _check_corrections(self) -> None:
        """What was said may turn out wrong, and saying so is a duty (§ 75(3) BDSG)."""
        amendments = {MessageType.CORRECTION, MessageType.RETRACTION}
        for sender in AgencyKind:
            for recipient in AgencyKind:
                types = {
                    kind
                    for clause in self.clauses
                    if clause.direction.covers(sender, recipient)
                    for kind in clause.types
                }
                if types and not amendments <= types:
                    raise Refused(
                        "agreement-contradicts", f"{sender} to {recipient}: no way to correct"
                    )


class Agreement(Terms):
    """The document that the parties sign."""

    v: Version1
    parties: Annotated[tuple[Party, ...], Field(min_length=2, max_length=100)]

    @model_validator(mode="after")
    def _responsibility_is_complete(self) -> Self:
        check_parties(self.parties, self.municipalities)
        keys = [party.identity for party in self.parties]
        _refuse({"two parties with one identity key": len(set(keys)) != len(keys)})
        return self

    def party(self, agency: AgencyId) -> Party | None:
        return next((party for party in self.parties if party.agency == agency), None)

    def office(self, kind: AgencyKind, municipality: Ags) -> Party | None:
        """Return the one party of `kind` that is responsible, or None outside the district."""
        return next(
            (
                party
                for party in self.parties
                if party.kind is kind and municipality in party.municipalities
            ),
            None,
        )

    def clause(self, name: str) -> Clause | None:
        return next((clause for clause in self.clauses if clause.id == name), None)


def check_parties(parties: tuple[Partner, ...], municipalities: dict[Ags, str]) -> None:
    """Refuse unless each municipality has exactly one office of each kind."""
    ids = [party.agency for party in parties]
    _refuse({"two parties with one id": len(set(ids)) != len(ids)})
    for kind in AgencyKind:
        served = sorted(
            ags for party in parties if party.kind is kind for ags in party.municipalities
        )
        if served != sorted(municipalities):
            raise Refused(
                "agreement-contradicts", f"{kind}: not exactly one office per municipality"
            )


def _refuse(wrong: dict[str, bool]) -> None:
    for what, holds in wrong.items():
        if holds:
            raise Refused("agreement-contradicts", what)


def parse(document: bytes) -> Agreement:
    """Read a document strictly; `agreement-malformed` or `agreement-contradicts` say what is wrong.

    An agreement is no secret, so the refusal names the members.
    """
    if len(document) > AGREEMENT_MAX:
        raise Refused("agreement-malformed", "larger than 512 KiB")
    strictjson.loads(document, code="agreement-malformed")
    try:
        # By the names of the document alone: what Python calls a member is no second name for it.
        return Agreement.model_validate_json(document, by_alias=True, by_name=False)
    except ValidationError as exc:
        raise Refused("agreement-malformed", where(exc)) from None


def digest(document: bytes) -> Digest:
    """SHA-256 over the exact bytes: what is signed, and what every message names."""
    return Digest.of(document)
