"""Plain pages for people who met a problem or build against the API: German first, English second.

Guarantees: whole without script and without anything loaded; readable by screen readers, on a
phone, enlarged and printed; all text is escaped. Pure.
"""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from http import HTTPStatus
from typing import Any

from meldeweg.gateway.api.problems import catalogue
from meldeweg.kernel.policy import Rule
from meldeweg.kernel.service.problem import Problem

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:44rem;margin:0 auto;padding:1rem}"
    "code{font-size:.95em;overflow-wrap:anywhere}"
    "h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2rem}"
    "dt{font-weight:600;margin-top:.75rem}dd{margin:0 0 0 1.25rem}"
    "a:focus-visible{outline:3px solid;outline-offset:2px}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def problem(found: Problem) -> str:
    """Return the page that the `type` of a problem leads to."""
    return _page(
        found.title,
        f"<h1>{escape(found.title)}</h1>"
        f"<p>Code <code>{found.code}</code>, {_status(found.status)}</p>"
        f"<h2>Was das bedeutet</h2><p>{escape(found.meaning)}</p>"
        f"<h2>Was zu tun ist</h2><p>{escape(found.action)}</p>"
        f"{_rules() if found.code == 'not-covered' else ''}"
        f'<section lang="en"><h2>In English: {escape(found.title_en)}</h2>'
        f"<p>{escape(found.meaning_en)}</p><p>{escape(found.action_en)}</p></section>"
        '<p><a href="/problems">Alle Fehlercodes</a></p>',
    )


def _rules() -> str:
    """Return what `rule` can be, in the words of `rule_text`."""
    rows = "".join(f"<dt><code>{rule}</code></dt><dd>{escape(rule.german)}</dd>" for rule in Rule)
    return f"<h2>Die Regeln</h2><dl>{rows}</dl>"


def index() -> str:
    """Return the list of all problems, by status."""
    found = sorted(catalogue().values(), key=lambda entry: (entry.status, entry.code))
    rows = "".join(
        f'<dt><a href="/problems/{entry.code}"><code>{entry.code}</code></a> '
        f'({entry.status})</dt><dd>{escape(entry.title)}<br><span lang="en">'
        f"{escape(entry.title_en)}</span></dd>"
        for entry in found
    )
    return _page("Fehlercodes", f"<h1>Fehlercodes der Schnittstelle</h1><dl>{rows}</dl>")


def docs(document: dict[str, Any]) -> str:
    """Return the OpenAPI document to read: every call with what it needs and answers."""
    calls = "".join(
        _call(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    intro = (
        "<h1>Schnittstelle des Gateways</h1>"
        '<p>Maschinenlesbar: <a href="/openapi.json">openapi.json</a>. '
        'Fehler: <a href="/problems">alle Fehlercodes</a>. Die Beschreibung ist englisch.</p>'
    )
    return _page("Schnittstelle", f'{intro}<div lang="en">{calls}</div>')


def _call(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<dt><code>{escape(one['name'])}</code> ({escape(one['in'])}"
        f"{', required' if one.get('required') else ''})</dt>"
        f"<dd>{escape(one.get('description', ''))}</dd>"
        for one in operation.get("parameters", ())
    )
    scopes = operation.get("security", ())
    needs = " or ".join(f"<code>{escape(scope)}</code>" for scope in _scopes(scopes))
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"{_paragraphs(operation.get('summary', ''))}"
        f"{_paragraphs(operation.get('description', ''))}"
        f"<p>{f'Token with scope {needs}.' if needs else 'No token needed.'}</p>"
        f"<dl>{parameters}</dl>"
        f"<p>Answers: {', '.join(escape(status) for status in operation['responses'])}</p>"
        "</section>"
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(one)}</p>" for one in text.split("\n\n") if one)


def _scopes(security: Iterable[dict[str, list[str]]]) -> list[str]:
    return [scope for one in security for scopes in one.values() for scope in scopes]


def _status(status: int) -> str:
    return f"HTTP {status} ({HTTPStatus(status).phrase})"


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="de"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Meldeweg</title><style>{_STYLE}</style></head>"
        f"<body><main>{content}</main></body></html>\n"
    )
