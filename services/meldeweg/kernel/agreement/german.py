"""The agreement as its parties read it: German text, made from the very data that is carried out.

Guarantees: everything executable is in the text, and what no published text states is marked
"(Annahme)". Markdown, so that it prints, and reads as plain text too.
"""

from collections.abc import Iterator, Mapping
from datetime import date

from meldeweg.kernel.agreement.clause import RANK, Clause, Deadline, Direction
from meldeweg.kernel.agreement.district import DistrictConfig
from meldeweg.kernel.agreement.document import Agreement, Calendar, Contact, Partner, Party, Term
from meldeweg.kernel.ids import Ags
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Urgency
from meldeweg.kernel.trust.objects import AgencyKind

ASSUMED = "(Annahme)"
_KIND = {AgencyKind.POLICE: "Polizei", AgencyKind.YOUTH_OFFICE: "Jugendamt", "any": "jede Partei"}
_URGENCY = {
    Urgency.IMMEDIATE: "sofort",
    Urgency.TODAY: "heute",
    Urgency.ROUTINE: "regulär",
}
_MONTHS = (
    *("Januar", "Februar", "März", "April", "Mai", "Juni"),
    *("Juli", "August", "September", "Oktober", "November", "Dezember"),
)
_LAENDER = {
    "BB": "Brandenburg",
    "BE": "Berlin",
    "BW": "Baden-Württemberg",
    "BY": "Bayern",
    "HB": "Bremen",
    "HE": "Hessen",
    "HH": "Hamburg",
    "MV": "Mecklenburg-Vorpommern",
    "NI": "Niedersachsen",
    "NW": "Nordrhein-Westfalen",
    "RP": "Rheinland-Pfalz",
    "SH": "Schleswig-Holstein",
    "SL": "Saarland",
    "SN": "Sachsen",
    "ST": "Sachsen-Anhalt",
    "TH": "Thüringen",
}  # fmt: skip - ISO 3166-2:DE


def render_german(document: Agreement | DistrictConfig) -> str:
    """Return the full text; of a district file too, then without the parties' keys."""
    return "\n".join(_lines(document)) + "\n"


def deadline_in_german(deadline: Deadline) -> str:
    """Return for instance `innerhalb von 15 Minuten`."""
    if deadline.minutes is not None:
        unit = "Minute" if deadline.minutes == 1 else "Minuten"
        return f"innerhalb von {deadline.minutes} {unit}"
    if deadline.working_days:
        count = "nächsten" if deadline.working_days == 1 else f"{deadline.working_days}."
        return f"bis {deadline.by} Uhr am {count} Arbeitstag danach"
    late = (
        f"weniger als {deadline.lead_minutes} Minuten vorher" if deadline.lead_minutes else "später"
    )
    return f"bis {deadline.by} Uhr desselben Arbeitstags; was {late} eingeht, am nächsten"


def _lines(document: Agreement | DistrictConfig) -> Iterator[str]:
    yield f"# {document.title}"
    yield ""
    yield f"> {document.notice}"
    yield ""
    yield f"Kreis: {document.district.name} ({document.district.ags})"
    yield ""
    yield "## Parteien"
    yield ""
    for party in document.parties:
        yield from _party(party, document.municipalities)
    yield ""
    mark = f" {ASSUMED}" if document.term.assumed else ""
    yield "## Gegenstand und Laufzeit"
    yield ""
    yield f"- Schutzzweck: {document.protects.text}"
    yield f"- Laufzeit: {_term(document.term)}"
    yield (
        f"- Auslauf: {document.term.run_off_days} Tage; in dieser Zeit nur noch Berichtigungen, "
        f"Rücknahmen, Empfangs- und Löschbestätigungen und fortgeltende Klauseln{mark}"
    )
    yield f"- Löschung der Inhalte in Meldeweg: nach {document.keep_months} Monaten{mark}"
    yield f"- Arbeitstage: {_working_days(document.calendar)}{mark}"
    signed = f" am {_day(document.signing.on)}" if document.signing.on else ""
    yield f"- Unterzeichnung{signed}: {document.signing.text}"
    if document.replaces:
        yield f"- Ersetzt die Fassung {document.replaces}"
    yield ""
    yield "## Klauseln"
    for number, clause in enumerate(document.clauses, 1):
        yield ""
        yield from _clause(number, clause)
    if document.provisions:
        yield ""
        yield "## Weitere Abreden"
        yield ""
        for provision in document.provisions:
            assumed = f" {ASSUMED}" if provision.assumed else ""
            yield f"- {provision.title}{assumed}: {provision.text}"


def _party(party: Partner, names: Mapping[Ags, str]) -> Iterator[str]:
    where = ", ".join(names[ags] for ags in party.municipalities)
    yield f"- {party.name} ({_KIND[party.kind]}, `{party.agency}`), zuständig für: {where}"
    for contact in party.call:
        yield f"  - {_contact(contact)}"
    if isinstance(party, Party):
        yield f"  - Schlüssel der Unterschrift: `{party.identity}`"


def _contact(contact: Contact) -> str:
    invented = " (erfundene Nummer)" if contact.invented else ""
    return f"{contact.role}: {contact.phone}, {contact.hours}{invented}"


def _term(term: Term) -> str:
    until = f"bis {_day(term.until)}" if term.until else "unbefristet"
    mark = f" {ASSUMED}" if term.assumed else ""
    return f"ab {_day(term.first)}, {until}{mark}; {term.source}"


def _working_days(calendar: Calendar) -> str:
    closed = " und ".join(_day_of_year(each) for each in calendar.closed)
    also = f" und ohne den {closed}" if closed else ""
    return f"Montag bis Freitag ohne die gesetzlichen Feiertage in {_LAENDER[calendar.land]}{also}"


def _clause(number: int, clause: Clause) -> Iterator[str]:
    mark = f" {ASSUMED}" if clause.assumed else ""
    parts = dict.fromkeys(clause.assumed_parts, f" {ASSUMED}")
    if clause.grounds == "any":
        grounds = "jeder Grund"
    else:
        grounds = ", ".join(ground.german for ground in clause.grounds)
    yield f"### {number}. {clause.title}{mark}"
    yield ""
    yield f"- Kennung: `{clause.id}`"
    yield f"- Richtung: {_direction(clause.direction)}"
    yield f"- Nachrichten: {', '.join(kind.german for kind in clause.types)}"
    yield f"- Gründe: {grounds}"
    if clause.condition:
        yield f"- Voraussetzung: {clause.condition}"
    yield f"- {clause.obligation.german}{parts.get('obligation', '')}"
    yield f"- Rechtsgrundlage: {'; '.join(clause.legal_basis)}{parts.get('legal_basis', '')}"
    yield f"- Zweck: {clause.purpose}"
    yield from _limits(clause)
    yield (
        f"- Dringlichkeit: in der Regel {_URGENCY[clause.urgency.default]}, mindestens "
        f"{_URGENCY[clause.urgency.least]}{parts.get('urgency', '')}"
    )
    yield from _deadlines(clause, parts.get("deadlines", ""))
    linked = "; die andere Stelle erhält eine Kopie" if clause.linked_copy else ""
    yield f"- Zuständig nach: {clause.leads.german}{linked}{parts.get('responsibility', '')}"
    if clause.runs_off:
        yield "- Gilt nach dem Ende der Laufzeit im Auslauf fort"
    yield f"- Quelle: {clause.source}"


def _direction(direction: Direction) -> str:
    return f"{_KIND[direction.source]} an {_KIND[direction.target]}"


def _limits(clause: Clause) -> Iterator[str]:
    if clause.labels_required:
        yield "- Nur mit Kennzeichnung nach § 22b PolG NRW"
    if clause.section_65.must_declare:
        yield "- Der Absender erklärt, ob anvertraute Daten enthalten sind (§ 65 SGB VIII)"
    if clause.section_65.grounds:
        reasons = "; ".join(ground.german for ground in clause.section_65.grounds)
        yield f"- Anvertraute Daten nur: {reasons}"
    else:
        yield "- Keine anvertrauten Daten (§ 65 SGB VIII)"
    if clause.data_categories != "any":
        kinds = ", ".join(category.german for category in clause.data_categories)
        yield f"- Nur diese Angaben: {kinds}"
    if MessageType.CORRECTION in clause.types:
        yield (
            "- In einer Berichtigung nur Angaben, die die berichtigte Nachricht enthalten durfte; "
            "an die Polizei nie zum Verlauf der Jugendhilfe (§ 35 SGB I)"
        )
    if clause.replies_to:
        yield f"- Nur als Antwort auf: {', '.join(kind.german for kind in clause.replies_to)}"


def _deadlines(clause: Clause, mark: str) -> Iterator[str]:
    for urgency in sorted(RANK, key=RANK.__getitem__)[: RANK[clause.urgency.least] + 1]:
        text = deadline_in_german(clause.deadlines.of(urgency))
        yield f"- Bestätigung durch eine benannte Person, {_URGENCY[urgency]}: {text}{mark}"
    if clause.linked_copy and clause.urgency.least is Urgency.IMMEDIATE:
        text = deadline_in_german(clause.deadlines.of(Urgency.TODAY))
        yield f"- Bestätigung der Kopie: {text}{mark}"
    if clause.handover_deadline:
        text = deadline_in_german(clause.handover_deadline)
        yield f"- Nach telefonischer Übergabe: {text}{mark}"


def _day_of_year(month_and_day: str) -> str:
    month, day = map(int, month_and_day.split("-"))
    return f"{day}. {_MONTHS[month - 1]}"


def _day(day: date) -> str:
    return f"{day.day}. {_MONTHS[day.month - 1]} {day.year}"
