"""From facts to findings: pure, every limit in one place."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from meldeweg.doctor.catalogue import Finding
from meldeweg.doctor.facts import (
    BrokerFacts,
    CertificateFacts,
    ClockFacts,
    KeyFacts,
    KeyringFacts,
    PortFacts,
    RightsFacts,
    ServiceFacts,
    SnapshotFacts,
    StoreFacts,
)
from meldeweg.kernel.clock import to_rfc3339
from meldeweg.kernel.trust.objects import KeyUse

CERTIFICATE_NEAR = timedelta(days=21)
KEY_NEAR = timedelta(days=30)
CLOCK_DIFFERS = timedelta(minutes=5)  # as the gateway's default
SNAPSHOT_STALE = timedelta(minutes=5)  # as the gateway's default
_REFUSED = ("certificate-expired", "certificate-not-yet-valid", "certificate-wrong-ca")
_ONLINE = (KeyUse.SIGN, KeyUse.SEAL)
_FULL = ("ENOSPC", "EDQUOT")


def certificate(
    who: str, facts: CertificateFacts, principal: str, now: datetime
) -> Iterator[Finding]:
    """Judge a client certificate; `principal`: as whom the broker must see it."""
    path = str(facts.path)
    if facts.trouble or facts.not_before is None or facts.not_after is None:
        yield Finding(who, "certificate-unreadable", f"{path}: {facts.trouble}")
        return
    ends = to_rfc3339(facts.not_after)
    if now > facts.not_after:
        yield Finding(who, "certificate-expired", f"{path}: {ends}")
    elif now > facts.not_after - CERTIFICATE_NEAR:
        yield Finding(who, "certificate-near-end", f"{path}: {ends}")
    if now < facts.not_before:
        yield Finding(who, "certificate-not-yet-valid", f"{path}: {to_rfc3339(facts.not_before)}")
    if not facts.of_our_ca:
        yield Finding(who, "certificate-wrong-ca", path)
    misnamed = bool(principal) and facts.principal != principal
    if not facts.has_its_key and facts.of_our_ca and not misnamed:
        yield Finding(
            who, "certificate-key-mismatch", path
        )  # of a foreign one it goes without saying
    if misnamed:
        yield Finding(
            who, "certificate-wrong-name", f"{path}: {facts.principal or '?'}, not {principal}"
        )


def broker(who: str, facts: BrokerFacts) -> Iterator[Finding]:
    """Judge what the broker did."""
    if facts.code:
        yield Finding(who, facts.code, f"{facts.address}: {facts.detail}")


def of_one_cause(certificate: list[Finding], answer: list[Finding]) -> list[Finding]:
    """Put together what the certificate's file and the broker say: one cause, one finding.

    A refusal that the file explains is evidence of it. A broker that our CA file does not vouch for
    leaves open which of the two is wrong, so the file is no measure of our certificate either.
    """
    codes = {each.code for each in answer}
    if "broker-not-trusted" in codes:
        certificate = [each for each in certificate if each.code != "certificate-wrong-ca"]
    if "certificate-refused" not in codes or not any(each.code in _REFUSED for each in certificate):
        return certificate + answer
    return [
        replace(each, detail=f"{each.detail}; vom Broker abgewiesen / refused by the broker")
        if each.code in _REFUSED
        else each
        for each in certificate
    ]


def store(who: str, facts: StoreFacts) -> Iterator[Finding]:
    """Judge whether a directory takes what must be written."""
    path = str(facts.path)
    if facts.error in _FULL:
        yield Finding(who, "disk-full", path)
    elif facts.error:
        yield Finding(who, "store-not-writable", f"{path}: {facts.error}")
    elif facts.free < facts.demanded:
        yield Finding(who, "disk-nearly-full", f"{path}: {facts.free:.1%} < {facts.demanded:.0%}")


def keyring(who: str, facts: KeyringFacts, now: datetime) -> Iterator[Finding]:
    """Judge a gateway's keys: the newest that may be used of each kind is what counts."""
    if facts.trouble:
        yield Finding(who, "keys-unreadable", f"{facts.trouble} {facts.detail}".strip())
        return
    for name in facts.uncertified:
        yield Finding(who, "key-uncertified", f"{facts.path}/{name}")
    for use in KeyUse:
        yield from _of_use(who, use, [each for each in facts.keys if each.use is use], now)


def _of_use(who: str, use: KeyUse, keys: list[KeyFacts], now: datetime) -> Iterator[Finding]:
    good = [each for each in keys if not each.revoked and now < each.use_until]
    if not good:
        ended = [each for each in keys if not each.revoked]
        code = "key-expired" if ended else "key-missing"
        when = f" {to_rfc3339(max(each.use_until for each in ended))}" if ended else ""
        yield Finding(who, code, f"{use.value}{when}")
        return
    newest = max(good, key=lambda each: each.made)
    named = f"{use.value} {newest.kid}"
    if newest.use_until - now < KEY_NEAR:
        yield Finding(who, "key-near-end", f"{named} {to_rfc3339(newest.use_until)}")
    if use in _ONLINE and not newest.private_here:
        yield Finding(who, "key-private-missing", named)


def clock(who: str, facts: ClockFacts) -> Iterator[Finding]:
    """Judge two clocks; of a time that is only known to be past, being behind it is the sign."""
    ahead = facts.ours - facts.theirs
    if ahead < -CLOCK_DIFFERS or (ahead > CLOCK_DIFFERS and not facts.at_least):
        seconds = round(ahead.total_seconds())
        yield Finding(who, "clock-differs", f"{seconds:+d} s, {facts.whose}")


def disagreeing(who: str, clocks: Sequence[ClockFacts]) -> Iterator[Finding]:
    """Judge the clocks of several services by each other: then not (only) ours is off."""
    ahead = {each.whose: each.theirs - each.ours for each in clocks if not each.at_least}
    if ahead and max(ahead.values()) - min(ahead.values()) > CLOCK_DIFFERS:
        told = sorted(ahead.items(), key=lambda each: each[1])
        said = "; ".join(f"{whose}: {round(off.total_seconds()):+d} s" for whose, off in told)
        yield Finding(who, "clocks-disagree", said)


def snapshot(who: str, facts: SnapshotFacts, now: datetime) -> Iterator[Finding]:
    """Judge the age of the registry's newest word."""
    if facts.at is None:
        yield Finding(who, "snapshot-missing")
    elif now - facts.at > SNAPSHOT_STALE:
        yield Finding(who, "snapshot-stale", to_rfc3339(facts.at))


def rights(who: str, facts: RightsFacts) -> Iterator[Finding]:
    """Judge the rights that were tried; an agency under the brake lacks them for a reason."""
    match facts.status:
        case "":
            yield Finding(who, "agency-not-enrolled")
        case "suspended" | "revoked":
            yield Finding(who, f"agency-{facts.status}")
        case _:
            pass
    for topic in facts.refused_reads:
        yield Finding(who, "acl-missing", f"READ {topic}")
    for topic in facts.refused_writes:
        yield Finding(who, "acl-missing", f"WRITE {topic}")


def unexplained(who: str, found: Iterable[Finding], facts: RightsFacts) -> list[Finding]:
    """Return what was found without what follows from a revocation: it may not read snapshots."""
    follows = Finding(who, "snapshot-missing") if facts.status == "revoked" else None
    return [each for each in found if each != follows]


def service(who: str, facts: ServiceFacts) -> Iterator[Finding]:
    """Judge what a service says of itself."""
    for part, code in facts.missing:
        yield Finding(who, "service-not-ready", f"{part}: {code}")


def audit(who: str, facts: ServiceFacts) -> Iterator[Finding]:
    """Judge whether the audit log that a gateway asks is there, and is one."""
    if facts.service != "audit":
        other = f": {facts.service or 'not-meldeweg'}" if facts.reached else ""
        yield Finding(who, "audit-unreachable", f"{facts.url}{other}")
    else:
        for part, code in facts.missing:
            yield Finding(who, "audit-unreachable", f"{facts.url}: {part}: {code}")


def port(who: str, facts: PortFacts) -> Iterator[Finding]:
    """Judge whether a service can listen where it should."""
    if facts.taken_by == "another":
        yield Finding(who, "port-taken", facts.address)
    if facts.trouble:
        yield Finding(who, "address-unusable", f"{facts.address}: {facts.trouble}")
