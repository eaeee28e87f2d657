"""Problems as every service answers them: RFC 9457, a stable code, German first.

Guarantees: an answer is built from this catalogue and from what the caller of `body` passes, never
from the request. `type` is `/problems/<code>`; a service that has pages serves it.
"""

import json
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of a catalogue. `title`, `meaning` and `action` are German, `…_en` English."""

    code: str
    status: int
    title: str
    meaning: str
    action: str
    title_en: str
    meaning_en: str
    action_en: str


def body(problem: Problem, **members: Any) -> bytes:
    """Return the problem document; `members` are extensions, free of content, None is left out."""
    document = {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": f"{problem.meaning} {problem.action}",
    }
    document |= {name: value for name, value in members.items() if value is not None}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


REQUEST_MALFORMED = Problem(
    "request-malformed",
    400,
    "Die Anfrage ist kein gültiges HTTP",
    "Kopf oder Rahmung der Anfrage verletzen HTTP/1.1; es wurde nichts verarbeitet.",
    "Prüfen Sie die HTTP-Bibliothek und etwaige Proxys davor.",
    "The request is not valid HTTP",
    "Its head or framing violates HTTP/1.1; nothing was processed.",
    "Check the HTTP library and any proxy in front.",
)
HEADERS_TOO_LARGE = Problem(
    "headers-too-large",
    431,
    "Der Kopf der Anfrage ist zu groß",
    "Adresse und Kopffelder dürfen zusammen höchstens 16 KiB haben, und höchstens 100 Felder.",
    "Senden Sie weniger oder kürzere Kopffelder; Inhalte gehören in den Rumpf.",
    "The head of the request is too large",
    "Address and header fields may have 16 KiB together, and at most 100 fields.",
    "Send fewer or shorter header fields; content belongs in the body.",
)
REQUEST_TOO_SLOW = Problem(
    "request-too-slow",
    408,
    "Die Anfrage kam nicht rechtzeitig vollständig an",
    "Die Übertragung dauerte länger als erlaubt und wurde beendet; es wurde nichts verarbeitet.",
    "Wiederholen Sie die Anfrage mit demselben Idempotency-Key; prüfen Sie das Netz.",
    "The request did not arrive completely in time",
    "The transfer took longer than allowed and was ended; nothing was processed.",
    "Repeat it with the same Idempotency-Key; check the network.",
)
OVERLOADED = Problem(
    "overloaded",
    503,
    "Zu viele Verbindungen zugleich",
    "Dieser Dienst nimmt im Augenblick keine weiteren Verbindungen an; nichts wurde verarbeitet.",
    "Wiederholen Sie die Anfrage nach einigen Sekunden und halten Sie Verbindungen offen.",
    "Too many connections at once",
    "This service takes no further connections at the moment; nothing was processed.",
    "Repeat the request after some seconds and keep connections open.",
)
STARTING = Problem(
    "starting",
    503,
    "Der Dienst startet noch",
    "Noch sind nicht alle Teile bereit; unter /readyz steht, was fehlt. Nichts wurde verarbeitet.",
    "Wiederholen Sie die Anfrage nach einigen Sekunden.",
    "The service is still starting",
    "Not all parts are ready yet; /readyz says what is missing. Nothing was processed.",
    "Repeat the request after some seconds.",
)
DRAINING = Problem(
    "draining",
    503,
    "Der Dienst wird gerade beendet",
    "Er nimmt nichts Neues mehr an; was er angenommen hat, ist gesichert.",
    "Wiederholen Sie die Anfrage nach einigen Sekunden mit demselben Idempotency-Key.",
    "The service is shutting down",
    "It takes nothing new; what it accepted is safe.",
    "Repeat the request after some seconds with the same Idempotency-Key.",
)
NOT_FOUND = Problem(
    "not-found",
    404,
    "Diese Adresse gibt es nicht",
    "Unter diesem Pfad bietet der Dienst nichts an.",
    "Vergleichen Sie den Pfad mit /openapi.json.",
    "There is no such address",
    "The service offers nothing under this path.",
    "Compare the path with /openapi.json.",
)
METHOD_NOT_ALLOWED = Problem(
    "method-not-allowed",
    405,
    "Diese Methode ist hier nicht vorgesehen",
    "Die Adresse gibt es, aber nicht mit dieser HTTP-Methode; erlaubt ist, was in Allow steht.",
    "Vergleichen Sie die Methode mit /openapi.json.",
    "This method is not intended here",
    "The address exists, but not with this HTTP method; Allow names those it has.",
    "Compare the method with /openapi.json.",
)
INTERNAL = Problem(
    "internal",
    500,
    "Unerwarteter Fehler im Dienst",
    "Etwas ist eingetreten, womit der Dienst nicht gerechnet hat; es steht in seinem Protokoll.",
    "Wiederholen Sie mit demselben Idempotency-Key; hält es an, verständigen Sie den Betrieb.",
    "Unexpected error in the service",
    "Something happened that the service did not expect; it is in its log.",
    "Repeat with the same Idempotency-Key; if it persists, tell operations.",
)
BASICS = (
    REQUEST_MALFORMED,
    HEADERS_TOO_LARGE,
    REQUEST_TOO_SLOW,
    OVERLOADED,
    STARTING,
    DRAINING,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    INTERNAL,
)
