"""One or more valid examples per message type, and one of the record.

Every person, place and number is invented: names that say so, and telephone numbers that the
Bundesnetzagentur keeps for films.
"""

from typing import Any

Document = dict[str, Any]

_CALLBACK: Document = {
    "who": "Dienstgruppenleitung Wache Beispielstadt",
    "phone": "030 23125 110",
    "until": "2026-11-22T06:00:00+01:00",
}

NOTIFICATION: Document = {
    "grounds": ["domestic-violence", "alcohol-excess"],
    "incident": {
        "observed_at": "2026-11-21T22:55:00+01:00",
        "place": {
            "text": "Musterstraße 4, 47929 Grefrath",
            "municipality": "05166008",
            "postcode": "47929",
            "street": "Musterstraße 4",
            "access": "2. Obergeschoss links, Klingel Beispiel",
        },
        "began": "2026-11-21T22:30:00+01:00",
        "ongoing": "no",
        "earlier": "yes",
        "reference": "BEISPIEL-2026-0815",
    },
    "facts": [
        {
            "what": "Zerbrochenes Geschirr in der Küche; Frau Beispiel hatte eine Platzwunde.",
            "source": "own-observation",
            "reliability": "confirmed",
        },
        {
            "what": "Herr Muster habe sie vor den Kindern gestoßen.",
            "source": "affected-person",
            "reliability": "plausible",
        },
    ],
    "children": [
        {
            "family_name": "Beispiel",
            "given_names": "Lina",
            "date_of_birth": "2019-03-04",
            "sex": "female",
            "present": "yes",
            "whereabouts": {"stay": "with-custodian", "with_whom": "Mutter, in der Wohnung"},
            "injuries": {"state": "none-visible"},
            "condition": "Weinte, sprach kaum.",
        },
        {"age_estimated": 2, "present": "yes", "note": "Bruder, schlief im Nebenzimmer"},
    ],
    "more_children": "unknown",
    "adults": [
        {
            "family_name": "Beispiel",
            "given_names": "Erika",
            "relation": "mother",
            "part": "affected",
            "custody": "yes",
            "in_household": "yes",
            "phone": "030 23125 042",
            "language": "Polnisch",
            "interpreter_needed": "no",
        },
        {
            "family_name": "Muster",
            "given_names": "Max",
            "relation": "step-parent",
            "part": "accused",
            "custody": "unknown",
            "in_household": "yes",
            "substance_use": {
                "substances": ["alcohol"],
                "persistent": "yes",
                "signs": "Atemalkohol 1,9 Promille um 23:10 Uhr.",
            },
            "offence": "Körperverletzung",
            "whereabouts_note": "Bei einem Bekannten, Anschrift liegt vor",
        },
    ],
    "assessments": [
        {
            "what": "Rückkehr trotz Verbots möglich.",
            "danger": "continuing",
            "basis": "Frühere Einsätze an derselben Anschrift.",
        }
    ],
    "measures": [
        {
            "kind": "expulsion",
            "at": "2026-11-21T23:20:00+01:00",
            "until": "2026-12-01T23:20:00+01:00",
            "note": "Gegen Herrn Muster.",
        },
        {"kind": "criminal-complaint"},
    ],
    "safety": {"weapons": "no", "danger_to_staff": "unknown", "dogs": "yes"},
    "custodians_informed": {"known": "yes"},
    "informed": [{"who": "Rettungsdienst", "at": "2026-11-21T23:00:00+01:00"}],
    "callback": _CALLBACK,
    "handover": {"to": "Rufbereitschaft, Frau Probe", "at": "2026-11-21T23:25:00+01:00"},
}

NOTIFICATION_AT_NIGHT: Document = {
    "grounds": ["neglect"],
    "incident": {
        "observed_at": "2026-11-21T23:40:00+01:00",
        "place": {"text": "Bahnhof Beispielstadt, Gleis 1"},
    },
    "facts": [
        {
            "what": "Etwa vierjähriges Kind allein am Bahnsteig, ohne Jacke.",
            "source": "own-observation",
            "reliability": "confirmed",
        }
    ],
    "children": [{}],
}

IMMEDIATE_ACTION: Document = {
    "actions": ["assist-taking-into-care", "protect-staff"],
    "why_now": "Die Mutter droht, mit dem Kind noch heute Nacht auszureisen.",
    "where": {"text": "Beispielweg 7, 47906 Kempen", "municipality": "05166012"},
    "facts": [
        {
            "what": "Das Kind hat frische Hämatome an beiden Oberarmen.",
            "source": "professional",
            "reliability": "confirmed",
            "at": "2026-11-20T11:00:00+01:00",
        }
    ],
    "children": [
        {
            "family_name": "Probe",
            "given_names": "Jonas",
            "age_estimated": 5,
            "whereabouts": {"stay": "with-custodian", "place": {"text": "Beispielweg 7, Kempen"}},
            "injuries": {"state": "visible", "description": "Hämatome an beiden Oberarmen."},
        }
    ],
    "grounds": ["neglect"],
    "custodians_cooperate": "no",
    "on_site": {"who": "Zwei Fachkräfte des Jugendamts", "phone": "030 23125 077"},
    "adults": [{"family_name": "Probe", "given_names": "Petra", "relation": "mother"}],
    "safety": {"danger_to_staff": "yes", "note": "Hat eine Fachkraft bedroht."},
    "callback": {"who": "Rufbereitschaft Jugendamt", "phone": "030 23125 078"},
    "entrusted": "none",
    "handover": {"to": "Leitstelle, Herr Übung", "at": "2026-11-21T23:31:00+01:00"},
}

INQUIRY: Document = {
    "questions": [
        {
            "subject": "identity",
            "question": "Welche Anschrift der Mutter ist Ihnen zuletzt bekannt geworden?",
        }
    ],
    "needed_for": "Hausbesuch zur Einschätzung der Gefährdung; an der Meldeanschrift niemand.",
    "grounds": ["neglect"],
    "children": [{"family_name": "Beispiel", "given_names": "Lina", "date_of_birth": "2019-03-04"}],
    "entrusted": "none",
}

REPLY: Document = {
    "outcome": "partly",
    "answers": [
        {
            "subject": "identity",
            "what": "Musterstraße 4, 47929 Grefrath, am 21. November angetroffen.",
            "source": "own-observation",
            "reliability": "confirmed",
        }
    ],
    "callback": _CALLBACK,
}

CORRECTION: Document = {
    "kind": "rectification",
    "changes": [
        {
            "field": "/children/0/date_of_birth",
            "about": "Geburtsdatum des Kindes",
            "now": "4. März 2018",
            "source": "records",
            "reliability": "confirmed",
        }
    ],
    "tell_others": True,
}

COMPLETION: Document = {
    "kind": "completion",
    "changes": [
        {
            "about": "Aufenthalt der Mutter",
            "now": "Seit gestern bei der Großmutter, Beispielweg 2 in Kempen.",
            "source": "affected-person",
            "reliability": "plausible",
            "category": "whereabouts",
        }
    ],
    "tell_others": False,
    "entrusted": "none",
}

RETRACTION: Document = {
    "reason": "wrong-person",
    "erase": True,
    "explanation": "Verwechslung zweier Familien im selben Haus.",
}

# Beside its schema (`record.example.json`), not in it: that was released without.
RECORD: Document = {
    "v": 1,
    "type": "notification",
    "version": 1,
    "grounds": ["domestic-violence", "alcohol-excess"],
    "clause": "haeusliche-gewalt",
    "legal_basis": ["§ 1 Beispielgesetz"],
    "purpose": "Schutz des Kindes (erfunden)",
    "urgency": "immediate",
    "actor_ref": "0123456789abcdef0123456789abcdef",
    "addressee": "Bereitschaft (erfunden)",
    "data_categories": ["identity", "incident"],
    "labels": {
        "collected_by": "Wache Beispielstadt",
        "means": "offen, am Einsatzort",
        "category_of_person": "Zeuge",
        "offence": "§ 223 StGB",
    },
    "places": {"place": "05166008"},
    "handover_at": "2026-11-21T22:10:00.000Z",
    "thread": "BEISPIEL-2026-0815",
    "nonce": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
}
