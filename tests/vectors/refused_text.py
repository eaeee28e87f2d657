"""Long texts of refused.json, told by what they change: the pieces of a text of way.json that stay,
in their order, and what is new between them (docs/spec/message.md § 15).

Guarantees: `Texts.whole` gives back exactly what `told` was given; slices are of the base's UTF-8.
"""

import json
from typing import Any

from vectors.refused_trust import AGREEMENTS, WAY, place

_LEAST = 24  # characters of a slice: a shorter one is told as soon as it is named
DOCUMENT = place(AGREEMENTS)
Told = str | dict[str, Any] | None


def value_of(at: int) -> str:
    return str(WAY["records"][at]["value"])


def statement_of(at: int) -> str:
    return str(dict(WAY["records"][at]["headers"])["statement"])


def told(text: str, at: int, base: str) -> Told:
    """Return the text as pieces of `base`, the text at record `at`; itself, where that is less."""
    node = {"of": at, "pieces": _pieces(text, base)}
    return min((text, node), key=lambda each: len(json.dumps(each, ensure_ascii=False)))


def whole(node: Told, base: str, pinned: dict[str, str]) -> str | None:
    """Put a text together again."""
    if not isinstance(node, dict):
        return node
    if "pinned" in node:
        return pinned[node["pinned"]]
    octets = base.encode()
    return b"".join(
        each.encode() if isinstance(each, str) else octets[each[0] : each[1]]
        for each in node["pieces"]
    ).decode()


def base_of(node: Told, what: str) -> str:
    """Return the text that a node's slices are of; `what`: value or statement."""
    if not isinstance(node, dict) or "of" not in node:
        return ""
    return statement_of(node["of"]) if what == "statement" else value_of(node["of"])


def shorten(made: dict[str, Any]) -> dict[str, Any]:
    """Return the file with every text told by its pieces; `made` has each as it is, or pinned."""
    by_value = {value: {"pinned": name} for name, value in made["pinned"].items()}
    cases = {name: [_case(each, by_value) for each in made[name]] for name in ("records", "events")}
    trust = [each | {"value": _told_trust(each["topic"], each["value"])} for each in made["trust"]]
    return made | cases | {"trust": trust}


def lengthen(file: dict[str, Any]) -> dict[str, Any]:
    """Return the file with every text whole: what readers in this repository look at."""

    def text(node: Told, what: str) -> str | None:
        return whole(node, base_of(node, what), file["pinned"])

    def case(each: dict[str, Any]) -> dict[str, Any]:
        given = {
            name: text(one, name) if name in ("value", "statement") else one
            for name, one in each["set"].items()
        }
        added = [[topic, text(value, "value")] for topic, value in each.get("add", ())]
        return each | {"set": given} | ({"add": added} if "add" in each else {})

    trust = [each | {"value": text(each["value"], "value")} for each in file["trust"]]
    return (
        file
        | {name: list(map(case, file[name])) for name in ("records", "events")}
        | {"trust": trust}
    )


def _case(case: dict[str, Any], pinned: dict[str, Any]) -> dict[str, Any]:
    given, at = dict(case["set"]), case["at"]
    value, statement = given.get("value"), given.get("statement")
    if value is not None:
        given["value"] = pinned.get(value) or told(value, at, value_of(at))
    if statement is not None:
        given["statement"] = told(statement, at, statement_of(at))
    added = [[topic, _told_trust(topic, text)] for topic, text in case.get("add", ())]
    return case | {"set": given} | ({"add": added} if "add" in case else {})


def _told_trust(topic: str, text: str) -> Told:
    """Return an agreement as a change to the way's; whatever is signed is another as a whole."""
    return told(text, DOCUMENT, value_of(DOCUMENT)) if topic == AGREEMENTS else text


def _pieces(text: str, base: str) -> list[Any]:
    """Walk the text: the longest slice of the base that begins here, else one character more."""
    begins: dict[str, list[int]] = {}
    for n in range(len(base) - _LEAST + 1):
        begins.setdefault(base[n : n + _LEAST], []).append(n)
    pieces: list[Any] = []
    n = 0
    while n < len(text):
        found = [(_alike(text, n, base, k), -k) for k in begins.get(text[n : n + _LEAST], ())]
        if found:
            length, first = max(found)[0], -max(found)[1]
            octets = len(base[:first].encode())
            pieces.append([octets, octets + len(base[first : first + length].encode())])
            n += length
        else:
            if not pieces or not isinstance(pieces[-1], str):
                pieces.append("")
            pieces[-1] += text[n]
            n += 1
    return pieces


def _alike(text: str, n: int, base: str, k: int) -> int:
    """Return how many characters are the same from here on."""
    length = 0
    while (
        n + length < len(text) and k + length < len(base) and text[n + length] == base[k + length]
    ):
        length += 1
    return length
