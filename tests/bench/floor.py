"""What our code adds to the primitives of one message: the beginning of `make bench`.

Prints, for one run on one core, the median time of the primitives alone (the floor) and of our
pure path around them, and their ratio: sealing and signing as intake does, proving and opening as
the recipient does. Broker, store and HTTP are not in it yet.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from meldeweg.envelope import seal
from meldeweg.gateway.judging import Judge, Message
from meldeweg.gateway.verification import Proven
from meldeweg.kernel import statement
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import OpenKey, SignatureKey, SigningKey
from meldeweg.kernel.trust.register import Register

WAY = json.loads((Path(__file__).parents[1] / "vectors" / "way.json").read_text())
NOW = from_rfc3339("2026-11-22T18:20:00.000Z")
POLICE, OFFICE = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")
SUITE = Suite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM)
ROUNDS = 1000


def median(work):
    """Return the median time of one call in microseconds."""
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter_ns()
        work()
        took.append(time.perf_counter_ns() - started)
    return statistics.median(took) / 1000


def the_record():
    for each in WAY["records"]:
        if each["topic"] == f"inbox.{OFFICE}.{POLICE}":
            headers = tuple((name, value.encode()) for name, value in each["headers"])
            return Record(
                topic=each["topic"],
                partition=0,
                offset=each["offset"],
                timestamp=0,
                key=each["key"].encode(),
                value=each["value"].encode(),
                headers=headers,
            )
    raise LookupError("no message in way.json")


def receiving():
    """Return (floor, ours) for one message at the recipient: verify and open."""
    register = Register(SignatureKey.from_jwk(WAY["anchor"]))
    for each in WAY["records"]:
        if each["topic"].startswith(("registry.", "keys.")):
            register.apply(each["topic"], each["value"].encode())
    record = the_record()
    private = WAY["private"]["seal"][OFFICE]
    key = OpenKey.from_jwk(private)
    parsed = statement.parse(statement.single_header(record.headers, "statement"))
    signer = register.signature_key(POLICE, parsed.jws.kid, NOW)
    wrapped = SUITE.encrypt(b"k" * 32, key.public.hybrid)

    def floor():
        signer.verify(parsed.jws.signature, parsed.jws.signing_input)
        SUITE.decrypt(wrapped, key.hybrid)

    def ours():
        judge = Judge(OFFICE, register, {key.kid: key}, lambda *_: None, NOW)
        proven = judge.prove(record)
        assert isinstance(proven, Proven), proven
        opened = judge.open(proven)
        assert isinstance(opened, Message), opened

    return median(floor), median(ours)


def sealing():
    """Return (floor, ours) for one message at the sender: three encapsulations and a signature."""
    keys = [OpenKey.generate().public for _ in range(3)]
    signer = SigningKey.generate()
    context = b"x" * 700
    plain = b"x" * 2000

    def floor():
        for key in keys:
            SUITE.encrypt(b"k" * 32, key.hybrid)
        for _ in range(2):
            AESGCM(b"k" * 32).encrypt(b"n" * 12, plain, b"a" * 32)
        signer.sign(context)

    def ours():
        content = seal(plain, keys[:1], b"a" * 32)
        record = seal(plain, keys[1:], b"a" * 32)
        statement.sign(context, content + record, signer)

    return median(floor), median(ours)


def main():
    out = {}
    say = sys.stdout.write
    say(f"{'':22}{'floor µs':>10}{'ours µs':>10}{'ratio':>8}\n")
    for name, measure in (("seal and sign", sealing), ("verify, open, judge", receiving)):
        floor, ours = measure()
        out[name] = {"floor_us": floor, "ours_us": ours, "ratio": ours / floor}
        say(f"{name:22}{floor:10.0f}{ours:10.0f}{ours / floor:8.2f}\n")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
