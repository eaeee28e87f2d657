"""(b) The cryptographic floor: the primitive calls of one message alone, per stage.

Guarantees: one thread, the medians of many calls, in the same run as what is divided by them.
Intake: three encapsulations (recipient, two oversight keys), two contents encrypted, one signature.
Drain: one signature verified, one key opened, one content decrypted. Receipt: signed, verified.
Beside it what our pure path makes of the same, without broker, store and HTTP. Of intake: the order
read, decided about, drafted, sealed and signed (steps 1 and 3 to 8). Of drain: a record proven,
opened and judged.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from bench import calls
from bench.figures import Figures
from bench.orders import Orders
from meldeweg.gateway import order as asked
from meldeweg.gateway.drafting import draft
from meldeweg.gateway.judging import Judge, Message
from meldeweg.gateway.sealing import Sealed, sealed
from meldeweg.gateway.verification import Proven
from meldeweg.kernel import statement
from meldeweg.kernel.agreement import standing
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.ids import AgencyId, new_message_id
from meldeweg.kernel.jwk import OpenKey, SignatureKey, SigningKey
from meldeweg.kernel.statement import Seq
from meldeweg.kernel.trust.register import Register

INTAKE, DRAIN, RECEIPT = "intake: floor", "drain: floor", "receipt: floor"
WAY = json.loads((Path(__file__).parents[1] / "vectors" / "way.json").read_text())
NOW = from_rfc3339("2026-11-22T18:20:00.000Z")
POLICE, OFFICE = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")
SUITE = Suite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM)
_CONTEXT, _PLAIN = b"x" * 700, b"x" * 2000  # bytes: as a notification has


def measure(orders: Orders, figures: Figures) -> None:
    rounds = 300 if orders.quick else 1000
    for name, ours, measured in (
        (INTAKE, "intake: pure path", _sealing(rounds)),
        (DRAIN, "drain: pure path", _receiving(rounds)),
        (RECEIPT, None, (_receipt(rounds), None)),
    ):
        floor, path = measured
        figures.add("b", name, floor, "µs")
        if ours and path is not None:
            figures.add("b", ours, path, "µs", note=f"{path / floor:.2f} times its floor")


def median(work: Callable[[], object], rounds: int) -> float:
    """Return the median time of one call in microseconds."""
    took = []
    for _ in range(rounds):
        started = time.perf_counter_ns()
        work()
        took.append(time.perf_counter_ns() - started)
    return statistics.median(took) / 1000


def _record() -> Record:
    for each in WAY["records"]:
        if each["topic"] == f"inbox.{OFFICE}.{POLICE}":
            return Record(
                topic=each["topic"],
                partition=0,
                offset=each["offset"],
                timestamp=0,
                key=each["key"].encode(),
                value=each["value"].encode(),
                headers=tuple((name, value.encode()) for name, value in each["headers"]),
            )
    raise LookupError("no message in way.json")


def _receiving(rounds: int) -> tuple[float, float]:
    """Return (floor, ours) for one message at the recipient."""
    register, record = _register(), _record()
    key = OpenKey.from_jwk(WAY["private"]["seal"][OFFICE])
    parsed = statement.parse(statement.single_header(record.headers, "statement"))
    signer = register.signature_key(POLICE, parsed.jws.kid, NOW)
    wrapped = SUITE.encrypt(b"k" * 32, key.public.hybrid)
    cipher = AESGCM(b"k" * 32)
    content = cipher.encrypt(b"n" * 12, _PLAIN, b"a" * 32)

    def floor() -> None:
        signer.verify(parsed.jws.signature, parsed.jws.signing_input)
        SUITE.decrypt(wrapped, key.hybrid)
        cipher.decrypt(b"n" * 12, content, b"a" * 32)

    def ours() -> None:
        judge = Judge(OFFICE, register, {key.kid: key}, lambda *_: None, NOW)
        proven = judge.prove(record)
        assert isinstance(proven, Proven), proven
        opened = judge.open(proven)
        assert isinstance(opened, Message), opened

    return median(floor, rounds), median(ours, rounds)


def _register() -> Register:
    """Return what a gateway knows of everybody: the trust objects of way.json."""
    register = Register(SignatureKey.from_jwk(WAY["anchor"]))
    for each in WAY["records"]:
        if each["topic"].startswith(("registry.", "keys.")):
            register.apply(each["topic"], each["value"].encode())
    return register


def intake() -> Callable[[], Sealed]:
    """Return the sender's pure path: from an order's bytes to what the outbox would keep."""
    register, signer, body = _register(), SigningKey.generate(), calls.report(OFFICE)

    def ours() -> Sealed:
        order = asked.read(body)
        held = standing(register.agreements(), NOW)
        decision = draft(register, POLICE, held, order, None, None, NOW, stale=False)
        assert decision.linked is None  # it would be two messages
        seq = Seq(outbox="0123456789abcdef", n=1)
        return sealed(POLICE, decision.draft, new_message_id(), seq, signer, NOW)

    return ours


def _sealing(rounds: int) -> tuple[float, float]:
    """Return (floor, ours) for one message at the sender."""
    keys = [OpenKey.generate().public for _ in range(3)]
    signer = SigningKey.generate()

    def floor() -> None:
        for key in keys:
            SUITE.encrypt(b"k" * 32, key.hybrid)
        for _ in range(2):
            AESGCM(b"k" * 32).encrypt(b"n" * 12, _PLAIN, b"a" * 32)
        signer.sign(_CONTEXT)

    return median(floor, rounds), median(intake(), rounds)


def _receipt(rounds: int) -> float:
    signer = SigningKey.generate()

    def floor() -> None:
        signer.public.verify(signer.sign(_CONTEXT), _CONTEXT)

    return median(floor, rounds)
