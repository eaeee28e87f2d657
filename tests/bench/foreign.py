"""(h) What a user would otherwise pick: the profile of the German FIT-Connect service, over Kafka.

Per message, by jwcrypto, all keys RSA 4096: the content as JWE (RSA-OAEP-256, A256GCM), an event
token "submitted" (PS512) of the sender, both produced and consumed over bare aiokafka on the same
broker; verified, decrypted; an event token "accepted" of the recipient back, verified. Less than
the real service asks for: no metadata of its own, no attachments, no HTTP, no store, no audit.
CPU is that of the one thread that does all of it.
"""

import asyncio
import json
import secrets
import time

from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from bench import calls, floor, plain
from bench.figures import Aim, Figures
from bench.orders import Orders
from bench.path import DRAIN_CPU, INTAKE_CPU
from bench.stand import Stand

_BITS = 4096
_BATCH = 50


def measure(stand: Stand, orders: Orders, figures: Figures) -> None:
    content = json.loads(calls.report(stand.recipient))["content"]
    profile = _Profile(json.dumps(content, ensure_ascii=False).encode())
    took, cpu = asyncio.run(_run(stand, profile, orders.foreign))
    count = orders.foreign
    spent = cpu / count * 1e6
    figures.add(
        "h", "FIT-Connect profile: messages", count / took, "/s", note=f"{count:,} messages"
    )
    figures.add("h", "FIT-Connect profile: CPU per message", spent, "µs")
    stages = [figures.value("b", name) for name in (floor.INTAKE, floor.DRAIN, floor.RECEIPT)]
    if all(stages):
        figures.ratio("h", "FIT-Connect profile ÷ our floor", spent, sum(map(float, stages)))
    ours = [figures.value("c", INTAKE_CPU), figures.value("d", DRAIN_CPU)]
    if all(ours):
        whole = figures.add("h", "ours: whole path, CPU per message", sum(map(float, ours)), "µs")
        figures.ratio("h", "FIT-Connect profile ÷ ours", spent, whole, Aim(4, most=False))


class _Profile:
    """The keys of two agencies, and what each does to a message."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._opens, self._sends, self._receives = (
            JWK.generate(kty="RSA", size=_BITS) for _ in range(3)
        )
        self._seals = _public(self._opens)
        self._of_sender, self._of_recipient = _public(self._sends), _public(self._receives)

    def sent(self) -> tuple[bytes, bytes]:
        """Return (event token, JWE)."""
        head = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "application/json"}
        sealed = JWE(self._content, json.dumps(head), recipient=self._seals).serialize(compact=True)
        return _token(self._sends, "submit-submission"), sealed.encode()

    def received(self, token: bytes, sealed: bytes) -> bytes:
        """Verify and open; return the token that says so."""
        _verify(token, self._of_sender)
        opened = JWE()
        opened.deserialize(sealed.decode(), self._opens)
        assert opened.payload == self._content
        return _token(self._receives, "accept-submission")

    def accepted(self, token: bytes) -> None:
        _verify(token, self._of_recipient)


def _public(key: JWK) -> JWK:
    return JWK.from_json(key.export_public())


def _token(key: JWK, event: str) -> bytes:
    """Return a security event token (RFC 8417)."""
    claims = {
        "iss": "messstand",
        "iat": int(time.monotonic()),
        "jti": secrets.token_hex(16),
        "sub": f"submission:{secrets.token_hex(16)}",
        "events": {f"https://schema.fitko.de/fit-connect/events/{event}": {}},
    }
    signed = JWS(json.dumps(claims))
    signed.add_signature(key, protected=json.dumps({"typ": "secevent+jwt", "alg": "PS512"}))
    return signed.serialize(compact=True).encode()


def _verify(token: bytes, key: JWK) -> None:
    read = JWS()
    read.deserialize(token.decode())
    read.verify(key, alg="PS512")


async def _run(stand: Stand, profile: _Profile, count: int) -> tuple[float, float]:
    connection = stand.connection()
    there, back = await plain.own_topic(connection), await plain.own_topic(connection)
    async with (
        plain.producer(connection) as out,
        plain.consumer(connection, there) as office,
        plain.consumer(connection, back) as police,
    ):

        async def work() -> None:
            for start in range(0, count, _BATCH):
                number = min(_BATCH, count - start)
                sent = [profile.sent() for _ in range(number)]
                await _produce(out, there, [(sealed, [("set", token)]) for token, sealed in sent])
                answers = [
                    profile.received(dict(record.headers)["set"], record.value)
                    for record in await _take(office, number)
                ]
                await _produce(out, back, [(answer, []) for answer in answers])
                for record in await _take(police, number):
                    profile.accepted(record.value)

        return await plain.timed(work)


async def _produce(out, topic, records):
    sent = [await out.send(topic, value, headers=headers) for value, headers in records]
    await asyncio.gather(*sent)


async def _take(consumer, count):
    found = []
    while len(found) < count:
        for records in (await consumer.getmany(timeout_ms=1000, max_records=count)).values():
            found += records
    return found
