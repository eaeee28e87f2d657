"""Signed notes and checkpoints: C2SP signed-note and tlog-checkpoint, Ed25519 (type 0x01).

Guarantees: what `verify` returns names keys that signed exactly this text; whatever is accepted
re-encodes to the same bytes, so a note cannot be bent and stay valid. Signatures by unknown keys
are kept and not believed: witnesses may add theirs. Trusts the verifier keys it is given.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.merkle import HASH_SIZE
from meldeweg.kernel.points import strong_ed25519

ED25519 = 1
NOTE_MAX = 1_000_000  # bytes
SIGNATURES_MAX = 100  # C2SP asks for at least 16
SIZE_MAX = (1 << 63) - 1
_SIGNED_BY = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key that may sign notes, known by name and key id."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not _is_name(self.name) or not strong_ed25519(self.public):
            raise Refused("vkey-malformed", "name or key")

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name, newline, type, key)."""
        return sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:4]

    def vkey(self) -> str:
        """One line: `name+id+base64(type, key)`, as Go's sumdb and C2SP write it."""
        encoded = base64.b64encode(bytes([ED25519]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def check(self, text: str, signature: bytes) -> None:
        """Raise `Refused("note-signature-invalid")` unless this key signed `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except (InvalidSignature, ValueError) as exc:
            raise Refused("note-signature-invalid", self.name) from exc


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under the name it signs with; `sign` gives an Ed25519 signature."""

    name: str
    public: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey) -> "Signer":
        return cls(name, key.public_key().public_bytes_raw(), key.sign)

    def verifier(self) -> Verifier:
        return Verifier(self.name, self.public)


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: `text` ends in a newline; nothing in it is believed before `verify`."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's tree head: its identity, the number of leaves, the RFC 6962 root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_vkey(line: str) -> Verifier:
    """Read one vkey; refuses `vkey-malformed`, also when the id is not that of the key."""
    parts = line.split("+", 2)
    if len(parts) != 3:
        raise Refused("vkey-malformed", "expected name+id+key")
    raw = _b64("vkey-malformed", parts[2])
    if len(raw) != 33 or raw[0] != ED25519:
        raise Refused("vkey-malformed", "not an Ed25519 key")
    verifier = Verifier(parts[0], raw[1:])
    if verifier.key_id.hex() != parts[1]:
        raise Refused("vkey-malformed", "the id is not that of the key")
    return verifier


def parse(data: bytes) -> Note:
    """Read a signed note; refuses `note-malformed`."""
    if len(data) > NOTE_MAX:
        raise Refused("note-malformed", "too large")
    try:
        whole = data.decode()
    except UnicodeDecodeError as exc:
        raise Refused("note-malformed", "not UTF-8") from exc
    if any(char < " " and char != "\n" for char in whole):
        raise Refused("note-malformed", "control characters")
    split = whole.rfind("\n\n")
    lines = whole[split + 2 :].split("\n")
    if split < 0 or lines.pop() != "" or not 1 <= len(lines) <= SIGNATURES_MAX:
        raise Refused("note-malformed", "no signatures, or too many")
    return Note(whole[: split + 1], tuple(_signature(line) for line in lines))


def verify(note: Note, verifiers: Sequence[Verifier]) -> tuple[Verifier, ...]:
    """Return who of `verifiers` signed, each once, in their order.

    Raises `Refused("note-signature-invalid")` when a known key's signature is wrong, and
    `Refused("note-unsigned")` when no known key signed at all.
    """
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    signed = set()
    for signature in note.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is not None:
            verifier.check(note.text, signature.value)
            signed.add(verifier)
    if not signed:
        raise Refused("note-unsigned", "by no key that is known here")
    return tuple(verifier for verifier in known.values() if verifier in signed)


def sign(text: str, *signers: Signer) -> bytes:
    """Return the note over `text` (which ends in a newline) with one line per signer."""
    lines = [text, "\n"]
    for signer in signers:
        value = signer.verifier().key_id + signer.sign(text.encode())
        lines.append(f"{_SIGNED_BY}{signer.name} {base64.b64encode(value).decode()}\n")
    data = "".join(lines).encode()
    if parse(data).text != text:  # a text that would be read otherwise is never signed
        raise Refused("note-malformed", "the text is not that of a note")
    return data


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text as a tree head without extension lines (docs/spec/audit-log.md, § 6);
    refuses `checkpoint-malformed`."""
    lines = text.split("\n")
    if len(lines) != 4 or lines.pop() != "" or not all(lines):
        raise Refused("checkpoint-malformed", "expected three lines, none empty")
    origin, size, root = lines
    if not (size.isascii() and size.isdecimal()) or len(size) > 19 or str(int(size)) != size:
        raise Refused("checkpoint-malformed", "tree size")
    if int(size) > SIZE_MAX:
        raise Refused("checkpoint-malformed", "tree size")
    hashed = _b64("checkpoint-malformed", root)
    if len(hashed) != HASH_SIZE:
        raise Refused("checkpoint-malformed", "root hash")
    return Checkpoint(origin, int(size), hashed)


def open_checkpoint(data: bytes, origin: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Parse, verify and read a checkpoint of the log `origin`; the only way to believe one."""
    note = parse(data)
    verify(note, verifiers)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise Refused("checkpoint-of-another-log", checkpoint.origin)
    return checkpoint


def _signature(line: str) -> Signature:
    if not line.startswith(_SIGNED_BY):
        raise Refused("note-malformed", "signature line")
    name, _, encoded = line.removeprefix(_SIGNED_BY).partition(" ")
    raw = _b64("note-malformed", encoded)
    if not _is_name(name) or len(raw) < 5:
        raise Refused("note-malformed", "signature line")
    return Signature(name, raw[:4], raw[4:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c < " " or c.isspace() for c in name)


def _b64(code: str, text: str) -> bytes:
    """Strict base64: exactly the text that encoding the result gives."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Refused(code, "base64") from exc
    if base64.b64encode(raw).decode() != text:
        raise Refused(code, "base64")
    return raw
