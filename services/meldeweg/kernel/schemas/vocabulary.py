"""The words of the message types: each list is closed, and each word has its German label.

Adding a word is a new version of every schema that uses it (schemas/README.md).
"""

from meldeweg.kernel.schemas.labelled import Labelled


class MessageType(Labelled):
    """What a message is; one schema each, versioned."""

    NOTIFICATION = "notification", "Mitteilung über eine mögliche Kindeswohlgefährdung"
    IMMEDIATE_ACTION = "request.immediate-action", "Ersuchen um sofortiges Tätigwerden"
    INQUIRY = "inquiry", "Anfrage"
    REPLY = "reply", "Antwort"
    CORRECTION = "correction", "Berichtigung"
    RETRACTION = "retraction", "Rücknahme"


class Ground(Labelled):
    """What a message is about; a clause of the agreement covers one or several."""

    DOMESTIC_VIOLENCE = "domestic-violence", "häusliche Gewalt"
    ALCOHOL_EXCESS = "alcohol-excess", "anhaltender Alkoholmissbrauch"
    DRUG_USE = "drug-use", "Drogenkonsum"
    SEXUAL_VIOLENCE = "sexual-violence", "sexualisierte Gewalt"
    NEGLECT = "neglect", "Vernachlässigung"


class Entrusted(Labelled):
    """Whether the message holds entrusted data, and why it may leave (§ 65 SGB VIII).

    The numbers are those of § 65(1) sentence 1; 2 (family court) and 6 (research) name recipients
    that no agreement between police and youth offices has.
    """

    NONE = "none", "keine anvertrauten Daten enthalten"
    CONSENT = "consent", "mit Einwilligung der anvertrauenden Person (§ 65 Abs. 1 S. 1 Nr. 1)"
    CHANGE_OF_RESPONSIBILITY = (
        "change-of-responsibility",
        "an die nun zuständige Fachkraft, bei Wechsel der Zuständigkeit (§ 65 Abs. 1 S. 1 Nr. 3)",
    )
    RISK_ASSESSMENT = (
        "risk-assessment",
        "an zur Gefährdungseinschätzung hinzugezogene Fachkräfte (§ 65 Abs. 1 S. 1 Nr. 4)",
    )
    PROFESSIONAL_SECRET = (
        "professional-secret",
        "wie nach § 203 StGB befugt, etwa im Notstand nach § 34 StGB (§ 65 Abs. 1 S. 1 Nr. 5)",
    )


class DataCategory(Labelled):
    """Kinds of personal data, as the record names them (§ 76 BDSG, Art. 30 GDPR)."""

    IDENTITY = "identity", "Name, Geburtsdatum, Anschrift"
    CONTACT = "contact", "Erreichbarkeit"
    WHEREABOUTS = "whereabouts", "Aufenthalt"
    FAMILY = "family", "Familie und Sorgerecht"
    INCIDENT = "incident", "Ereignis und Feststellungen"
    HEALTH = "health", "Gesundheit und Verletzungen"
    SUBSTANCE_USE = "substance-use", "Alkohol- und Drogenkonsum"
    SEXUAL_VIOLENCE = "sexual-violence", "sexualisierte Gewalt"
    OFFENCE = "offence", "Verdacht oder Vorliegen von Straftaten"
    MEASURES = "measures", "getroffene Maßnahmen"
    ASSESSMENT = "assessment", "Einschätzungen"
    SAFETY = "safety", "Gefahren für Einsatzkräfte"
    CASE_COURSE = "case-course", "Verlauf der Jugendhilfe"
    ENTRUSTED = "entrusted", "anvertraute Daten (§ 65 SGB VIII)"


class Known(Labelled):
    """An answer that may honestly be missing; leaving the field out means that nobody looked."""

    YES = "yes", "ja"
    NO = "no", "nein"
    UNKNOWN = "unknown", "unbekannt"


class Source(Labelled):
    """Where a fact comes from."""

    OWN_OBSERVATION = "own-observation", "eigene Wahrnehmung"
    CHILD = "child", "Angabe des Kindes oder Jugendlichen"
    AFFECTED_PERSON = "affected-person", "Angabe einer betroffenen erwachsenen Person"
    ACCUSED_PERSON = "accused-person", "Angabe der beschuldigten Person"
    WITNESS = "witness", "Angabe von Zeuginnen oder Zeugen"
    ANONYMOUS = "anonymous", "anonymer Hinweis"
    PROFESSIONAL = "professional", "Angabe einer Fachkraft (Schule, Kita, Praxis, Klinik)"
    RECORDS = "records", "eigene Unterlagen oder Vorgangssystem"
    OTHER_AUTHORITY = "other-authority", "Mitteilung einer anderen Behörde"


class Reliability(Labelled):
    """How far a fact can be relied on (§§ 73, 74 BDSG)."""

    CONFIRMED = "confirmed", "gesichert"
    PLAUSIBLE = "plausible", "glaubhaft, nicht gesichert"
    DOUBTFUL = "doubtful", "zweifelhaft"
    NOT_ASSESSABLE = "not-assessable", "nicht beurteilbar"


class Danger(Labelled):
    """The sender's own judgement, never a fact."""

    ACUTE = "acute", "akute Gefahr, jetzt"
    CONTINUING = "continuing", "Gefahr dauert an oder kann sich wiederholen"
    UNCLEAR = "unclear", "unklar"
    AVERTED = "averted", "vorerst abgewendet"


class Sex(Labelled):
    """As far as known."""

    FEMALE = "female", "weiblich"
    MALE = "male", "männlich"
    DIVERSE = "diverse", "divers"
    UNKNOWN = "unknown", "unbekannt"


class Substance(Labelled):
    """Coarse on purpose: the recipient needs to know what to expect, not a toxicology."""

    ALCOHOL = "alcohol", "Alkohol"
    CANNABIS = "cannabis", "Cannabis"
    OPIOIDS = "opioids", "Opioide"
    STIMULANTS = "stimulants", "Kokain, Amphetamine oder andere Aufputschmittel"
    MEDICINES = "medicines", "Medikamente"
    OTHER = "other", "andere"
    UNKNOWN = "unknown", "unbekannt"


class InjuryState(Labelled):
    """What was seen of the child's body, and whether anybody looked at all."""

    NONE_VISIBLE = "none-visible", "keine sichtbar"
    VISIBLE = "visible", "sichtbar"
    SUSPECTED = "suspected", "vermutet"
    NOT_EXAMINED = "not-examined", "nicht untersucht"


class Relation(Labelled):
    """What an adult is to the children of the message."""

    MOTHER = "mother", "Mutter"
    FATHER = "father", "Vater"
    STEP_PARENT = "step-parent", "Stiefelternteil oder Partnerin/Partner im Haushalt"
    FOSTER_PARENT = "foster-parent", "Pflegeperson"
    GUARDIAN = "guardian", "Vormund oder Ergänzungspflegerin/-pfleger"
    SIBLING = "sibling", "volljähriges Geschwister"
    RELATIVE = "relative", "andere Verwandte"
    PROFESSIONAL = "professional", "Fachkraft"
    NONE = "none", "keine Verwandtschaft"
    UNKNOWN = "unknown", "unbekannt"


class Part(Labelled):
    """An adult's part in what happened, as it looks to the sender (§ 72 BDSG: categories)."""

    AFFECTED = "affected", "betroffen oder geschädigt"
    ACCUSED = "accused", "beschuldigt oder verdächtig"
    WITNESS = "witness", "Zeugin oder Zeuge"
    REPORTER = "reporter", "meldende Person"
    UNINVOLVED = "uninvolved", "unbeteiligt"
    UNKNOWN = "unknown", "unklar"


class Stay(Labelled):
    """Where a child is at the time of writing."""

    AT_SCENE = "at-scene", "noch am Ereignisort"
    WITH_CUSTODIAN = "with-custodian", "bei einer sorgeberechtigten Person"
    WITH_RELATIVES = "with-relatives", "bei Verwandten oder Vertrauten"
    HOSPITAL = "hospital", "in einer Klinik"
    POLICE = "police", "bei der Polizei"
    YOUTH_SERVICES = "youth-services", "in Obhut des Jugendamts"
    SHELTER = "shelter", "in einer Schutzeinrichtung"
    MISSING = "missing", "nicht auffindbar"
    UNKNOWN = "unknown", "unbekannt"


class MeasureKind(Labelled):
    """What was already done; § 34a PolG NRW and § 42 SGB VIII stand for the longest words."""

    EXPULSION = "expulsion", "Wohnungsverweisung und Rückkehrverbot (§ 34a PolG NRW)"
    REMOVAL = "removal", "Platzverweis"
    CUSTODY = "custody", "Gewahrsam"
    ARREST = "arrest", "Festnahme"
    CRIMINAL_COMPLAINT = "criminal-complaint", "Strafanzeige aufgenommen"
    EVIDENCE = "evidence", "Beweise gesichert"
    MEDICAL_CARE = "medical-care", "Rettungsdienst oder ärztliche Versorgung"
    CHILD_MOVED = "child-moved", "Kind an andere Person oder Stelle übergeben"
    TAKEN_INTO_CARE = "taken-into-care", "Inobhutnahme (§ 42 SGB VIII)"
    HOME_VISIT = "home-visit", "Hausbesuch"
    FAMILY_COURT = "family-court", "Familiengericht angerufen"
    ADVICE_OFFERED = "advice-offered", "Vermittlung an eine Beratungsstelle angeboten"
    WARNING = "warning", "Gefährderansprache"
    OTHER = "other", "andere"
    NONE = "none", "keine"


class Action(Labelled):
    """What a request for immediate action asks for."""

    ATTEND = "attend", "sofort zum Einsatzort kommen"
    SECURE_CHILD = "secure-child", "das Kind sichern"
    END_VIOLENCE = "end-violence", "Gewalt beenden"
    ASSIST_TAKING_INTO_CARE = (
        "assist-taking-into-care",
        "bei der Inobhutnahme unterstützen (§ 42 Abs. 6 SGB VIII)",
    )
    TAKE_INTO_CARE = "take-into-care", "das Kind in Obhut nehmen (§ 42 SGB VIII)"
    FIND_CHILD = "find-child", "das Kind suchen"
    PREVENT_REMOVAL = "prevent-removal", "Verbringen des Kindes verhindern"
    PROTECT_STAFF = "protect-staff", "Fachkräfte schützen"
    OTHER = "other", "anderes"


class Outcome(Labelled):
    """How far an inquiry was answered. `not-permitted` gives no reason: the reason would tell."""

    ANSWERED = "answered", "beantwortet"
    PARTLY = "partly", "teilweise beantwortet"
    NOTHING_KNOWN = "nothing-known", "keine Erkenntnisse"
    NOT_PERMITTED = "not-permitted", "Übermittlung nicht zulässig"


class CorrectionKind(Labelled):
    """§§ 58, 75 BDSG, Art. 16 and 18 GDPR."""

    RECTIFICATION = "rectification", "Berichtigung"
    COMPLETION = "completion", "Vervollständigung"
    DOUBT = "doubt", "Richtigkeit wird bestritten oder ist zweifelhaft"


class RetractionReason(Labelled):
    """Why a message must not be used any more (§ 75(3) BDSG, Art. 19 GDPR)."""

    WRONG_RECIPIENT = "wrong-recipient", "an die falsche Stelle gerichtet"
    WRONG_PERSON = "wrong-person", "betrifft eine andere Person"
    UNLAWFUL = "unlawful", "Übermittlung war unzulässig"
    UNFOUNDED = "unfounded", "hat sich als unbegründet herausgestellt"
    ERASED = "erased", "beim Absender gelöscht"
    MISTAKE = "mistake", "versehentlich gesendet"
