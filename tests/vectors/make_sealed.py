"""Write sealed.json: what a second implementation must open, read and refuse, with the code.

`python tests/vectors/make_sealed.py` derives everything again from fixed keys and the two
envelopes that are pinned there; `--fresh` seals those anew. Sealing is random, so a fresh file
differs from the last; a test fails when the committed file is not what this module derives.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from meldeweg.envelope import seal
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.signing import Typ, sign
from meldeweg.kernel.strictjson import b64u_decode, b64u_encode, dumps

FILE = Path(__file__).parent / "sealed.json"
SIGNING = SigningKey(hashlib.sha256(b"meldeweg vector: signing").digest())
RECIPIENT = OpenKey(hashlib.sha256(b"meldeweg vector: recipient").digest())
SECOND = OpenKey(hashlib.sha256(b"meldeweg vector: second recipient").digest())
CONTEXT = b'{"from":"polizei-viersen","to":"jugendamt-nettetal","v":1}'
AAD = hashlib.sha256(CONTEXT).digest()
PLAINTEXT = b"Erfundener Inhalt: Erika Beispiel, 030 23125 000"


def fresh() -> dict[str, str]:
    """Seal the two envelopes everything else is derived from."""
    return {
        "one": seal(PLAINTEXT, [RECIPIENT.public], AAD).decode(),
        "two": seal(PLAINTEXT, [RECIPIENT.public, SECOND.public], AAD).decode(),
    }


def build(pinned: dict[str, str]) -> dict[str, Any]:
    """Derive the whole file from the two pinned envelopes."""
    return {
        "about": "Written by make_sealed.py. All names and numbers are invented.",
        "keys": {
            "signing": SIGNING.private_jwk(),
            "recipient": RECIPIENT.private_jwk(),
            "second": SECOND.private_jwk(),
        },
        "pinned": pinned,
        "context": CONTEXT.decode(),
        "aad": b64u_encode(AAD),
        "plaintext": PLAINTEXT.decode(),
        "refused": _refused_envelopes(json.loads(pinned["one"]), json.loads(pinned["two"])),
        "token": _token(pinned["one"].encode()),
        "refused_tokens": _refused_tokens(pinned["one"].encode()),
    }


def _flipped(text: str) -> str:
    octets = bytearray(b64u_decode(text))
    octets[len(octets) // 2] ^= 1
    return b64u_encode(bytes(octets))


def _refused_envelopes(one: dict[str, Any], two: dict[str, Any]) -> list[dict[str, str]]:
    """Each is to be opened with the key `recipient` and the aad of the file."""
    entry = one["recipients"][0]
    header = entry["header"]
    wrapped, ek = _flipped(entry["encrypted_key"]), _flipped(header["ek"])
    bad, unreadable = "envelope-malformed", "envelope-unreadable"
    elsewhere = "envelope-not-for-this-key"

    def protected(**members: str) -> str:
        return b64u_encode(dumps(json.loads(b64u_decode(one["protected"])) | members))

    def recipient(**members: Any) -> dict[str, Any]:
        return one | {"recipients": [entry | members]}

    cases: list[tuple[str, dict[str, Any], str]] = [
        ("ciphertext changed", one | {"ciphertext": _flipped(one["ciphertext"])}, unreadable),
        ("tag changed", one | {"tag": _flipped(one["tag"])}, unreadable),
        ("iv changed", one | {"iv": _flipped(one["iv"])}, unreadable),
        ("content key changed", recipient(encrypted_key=wrapped), unreadable),
        ("encapsulated key changed", recipient(header=header | {"ek": ek}), unreadable),
        ("another context", one | {"aad": b64u_encode(bytes(32))}, "envelope-aad-mismatch"),
        ("for somebody else", two | {"recipients": two["recipients"][1:]}, elsewhere),
        ("twice the same recipient", one | {"recipients": [entry, entry]}, bad),
        ("no recipient", one | {"recipients": []}, bad),
        ("alg beside ek and kid", recipient(header=header | {"alg": "HPKE-9-KE"}), bad),
        ("a member without a name", one | {"": 1}, bad),
        ("a recipient's member named by a blank", recipient(**{" ": "x"}), bad),
        ("a member without a name beside ek and kid", recipient(header=header | {"": "x"}), bad),
        ("unprotected header", one | {"unprotected": {}}, bad),
        ("another suite", one | {"protected": protected(alg="HPKE-3-KE")}, bad),
        ("another version", one | {"protected": protected(typ="meldeweg.sealed.v2+jwe")}, bad),
        ("compression", one | {"protected": protected(zip="DEF")}, bad),
        ("short tag", one | {"tag": one["tag"][:16]}, bad),
        ("padding", one | {"tag": one["tag"] + "=="}, bad),
        ("trailing bits", one | {"aad": one["aad"][:-1] + _next(one["aad"][-1])}, bad),
    ]
    return [{"name": name, "jwe": dumps(jwe).decode(), "code": code} for name, jwe, code in cases]


def _next(character: str) -> str:
    """The character whose value is one more: the same bytes to a careless decoder."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(character) + 1]


def _token(value: bytes) -> str:
    digest = hashlib.sha256(value).hexdigest()
    return sign(SIGNING, Typ.STATEMENT, CONTEXT, value_sha256=digest, value_size=len(value))


def _refused_tokens(value: bytes) -> list[dict[str, str]]:
    """Each is to be read as a statement with value_sha256 and value_size, key `signing`."""
    header, payload, signature = _token(value).split(".")
    members = json.loads(b64u_decode(header))

    def signed(**changes: Any) -> str:
        head = {**members, **changes}
        text = b64u_encode(dumps({name: item for name, item in head.items() if item is not None}))
        return f"{text}.{payload}.{b64u_encode(SIGNING.sign(f'{text}.{payload}'.encode()))}"

    bad = "jws-malformed"
    size = b'"value_size":%d' % len(value)
    text = b64u_encode(b64u_decode(header).replace(size, b'"value_size":-0'))
    minus = f"{text}.{payload}.{b64u_encode(SIGNING.sign(f'{text}.{payload}'.encode()))}"
    cases = [
        ("payload changed", f"{header}.{_flipped(payload)}.{signature}", "signature-invalid"),
        ("signature changed", f"{header}.{payload}.{_flipped(signature)}", "signature-invalid"),
        ("alg none", signed(alg="none"), "jws-alg-refused"),
        ("another kind", signed(typ=Typ.EVENT.value), "jws-typ-wrong"),
        ("another key id", signed(kid=RECIPIENT.kid), "signature-key-mismatch"),
        ("crit", signed(crit=["x"]), bad),
        ("a member without a name", signed(**{"": 1}), bad),
        ("a member named by a blank", signed(**{" ": "x"}), bad),
        ("value_size minus nothing", minus, bad),
        ("a key inside", signed(jwk=SIGNING.public_jwk()), bad),
        ("no typ", signed(typ=None), bad),
        ("no digest", signed(value_sha256=None), bad),
        ("padding", f"{header}.{payload}.{signature}==", bad),
        ("trailing bits", f"{header}.{payload}.{signature[:-1] + _next(signature[-1])}", bad),
        ("four parts", f"{header}.{payload}.{signature}.", bad),
    ]
    return [{"name": name, "token": token, "code": code} for name, token, code in cases]


def main() -> None:
    """Write the file beside this one."""
    pinned = fresh() if "--fresh" in sys.argv else json.loads(FILE.read_text())["pinned"]
    FILE.write_text(json.dumps(build(pinned), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
