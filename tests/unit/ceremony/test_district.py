"""Setting up a district: idempotent, kill-safe, private, and possible after the real term's end."""

import shutil
import stat
from datetime import UTC, datetime, timedelta

import pytest

from meldeweg.ceremony import district, keys, services
from meldeweg.ceremony.district import Places
from meldeweg.kernel import agreement, keyfile, topics
from meldeweg.kernel.agreement import AgreementStatus, load_district
from meldeweg.kernel.clock import FixedClock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SignatureKey, SigningKey
from meldeweg.kernel.trust.objects import KeyUse
from meldeweg.kernel.trust.register import Register
from meldeweg.registry.submit import topic_of
from unit.conftest import NOW

VIERSEN = load_district("kreis-viersen")
OFFICE = AgencyId("jugendamt-kreis-viersen")


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def copy(places, tmp_path):
    shutil.copytree(places.root, tmp_path / "copy")
    return Places(tmp_path / "copy")


def test_a_second_time_touches_nothing(copy):
    before = contents(copy.root)
    district.prepare(copy, VIERSEN, FixedClock(NOW + timedelta(days=3)))
    assert contents(copy.root) == before


def test_after_a_crash_anywhere_only_what_is_missing_is_made(copy):
    before = contents(copy.root)
    copy.issued("3-agreement").unlink()
    copy.issued(".4-x.new").write_bytes(b"half")
    copy.issued(f"4-{OFFICE}").unlink()
    district.prepare(copy, VIERSEN, FixedClock(NOW))
    after = contents(copy.root)
    assert all(after[path] == before[path] for path in before if not path.name.startswith("4-"))
    assert after.keys() - before.keys() == {copy.issued(".4-x.new").relative_to(copy.root)}


def test_a_private_key_whose_certificate_was_not_written_is_replaced(copy):
    directory = copy.keys(OFFICE)
    sealing = next(each for each in keys.listed(directory) if each.certificate.use is KeyUse.SEAL)
    (directory / f"{sealing.kid}.jws").unlink()
    district.prepare(copy, VIERSEN, FixedClock(NOW))
    listed = [each for each in keys.listed(directory) if each.certificate.use is KeyUse.SEAL]
    assert len(listed) == 1
    assert listed[0].kid != sealing.kid


def test_keys_whose_time_is_over_get_successors(copy):
    later = NOW + timedelta(days=400)
    district.prepare(copy, VIERSEN, FixedClock(later))
    usable = {
        each.certificate.use
        for each in keys.listed(copy.keys(OFFICE))
        if later < each.certificate.use_until
    }
    assert usable == set(KeyUse)


def test_service_keys_are_certified_again_before_their_end_and_the_old_signatures_still_count(copy):
    clock = FixedClock(NOW + timedelta(days=330))
    district.prepare(copy, VIERSEN, clock)
    assert not list(copy.issued().glob("1-registry-*")), "not before it is time"
    clock = FixedClock(NOW + timedelta(days=340))
    district.prepare(copy, VIERSEN, clock)
    district.prepare(copy, VIERSEN, clock)
    (again,) = copy.issued().glob("1-registry-*")
    key = keyfile.read_signing_key(copy.service_key("registry"))
    register = Register(keyfile.read_public_key(copy.anchor))
    later = NOW + timedelta(days=500)
    for path in (again, copy.issued("1-registry")):  # whatever the order
        register.apply(topics.REGISTRY_AGENCIES, path.read_bytes())
    for at in (NOW, later):
        assert register.service_key("registry", key.kid, at) == key.public
    first = Register(keyfile.read_public_key(copy.anchor))
    first.apply(topics.REGISTRY_AGENCIES, copy.issued("1-registry").read_bytes())
    with pytest.raises(Refused, match="key-expired"):
        first.service_key("registry", key.kid, later)


def test_a_withdrawn_key_of_a_service_counts_for_nothing_whatever_time_is_stated(copy):
    anchor = keyfile.read_signing_key(copy.offline("anchor.jwk"))
    key = keyfile.read_signing_key(copy.service_key("registry"))
    first = copy.issued("1-registry").read_bytes()
    later = NOW + timedelta(days=30)
    withdrawn = services.withdraw(anchor, services.read(first), later)
    again = services.certify(
        anchor, "registry", key.public, later + timedelta(days=1), services.read(first)
    )
    for order in ((first, withdrawn, again), (first, again, withdrawn), (withdrawn, first)):
        register = Register(keyfile.read_public_key(copy.anchor))
        for token in order:
            register.apply(topics.REGISTRY_AGENCIES, token)
        for at in (NOW, later, later + timedelta(days=2)):
            with pytest.raises(Refused, match="key-revoked"):
                register.service_key("registry", key.kid, at)
    other = services.certify(anchor, "registry", SigningKey.generate().public, later)
    register.apply(topics.REGISTRY_AGENCIES, other)
    kid = SignatureKey.from_jwk(services.read(other).key).kid
    assert register.service_key("registry", kid, later).kid == kid


def test_another_key_of_a_service_counts_from_now_and_never_follows_another_services(copy):
    anchor = keyfile.read_signing_key(copy.offline("anchor.jwk"))
    earlier = services.read(copy.issued("1-registry").read_bytes())
    new, now = SigningKey.generate().public, NOW + timedelta(days=300)
    made = services.read(services.certify(anchor, "registry", new, now, earlier))
    assert made.not_before == now
    with pytest.raises(Refused, match="service-key-differs"):
        services.certify(anchor, "audit", new, now, earlier)


def test_nothing_private_is_open_to_others(places):
    for path in [places.root, *places.root.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700 or path == places.root, path
        elif path.suffix == ".jwk" and path != places.anchor:
            assert mode == 0o600, path


def test_the_oversight_key_is_not_in_the_gateways_directory(places):
    (oversight,) = places.oversight(OFFICE).glob("*.jwk")
    assert not (places.keys(OFFICE) / oversight.name).exists()


def test_within_the_real_term_the_real_one_is_signed(places):
    assert district.extended(places, VIERSEN) is None
    last = VIERSEN.term.until
    noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    assert district.demonstration_term(VIERSEN, noon) is None
    assert district.demonstration_term(load_district("rhein-erft-kreis"), noon) is None


def test_after_the_real_term_the_demo_still_has_an_agreement_in_force_marked_assumed(tmp_path):
    then = datetime(2028, 2, 29, 12, tzinfo=UTC)
    places = Places(tmp_path / "trust")
    district.prepare(places, VIERSEN, FixedClock(then))
    made = district.extended(places, VIERSEN)
    assert made is not None
    assert made.assumed
    assert "Vorführung" in agreement.render_german(
        agreement.parse(places.issued("3-agreement").read_bytes())
    )
    register = Register(keyfile.read_public_key(places.anchor))
    for path in sorted(places.issued().iterdir()):
        value = path.read_bytes()
        register.apply(topic_of(value), value)
    (standing,) = agreement.standing(register.agreements(), then)
    assert standing.status is AgreementStatus.IN_FORCE
    before = contents(places.root)
    district.prepare(places, VIERSEN, FixedClock(then + timedelta(days=1)))
    assert contents(places.root) == before, "the same document again: nobody signs anew"


def test_no_certificate_is_overwritten_and_revoking_twice_is_refused(copy):
    identity = keyfile.read_signing_key(copy.offline(f"identity-{OFFICE}.jwk"))
    directory = copy.keys(OFFICE)
    kid = keys.listed(directory)[0].kid
    keys.revoke(identity, OFFICE, kid, "Übung", directory, NOW)
    with pytest.raises(Refused, match="key-file-exists"):
        keys.revoke(identity, OFFICE, kid, "Übung", directory, NOW)
    assert [each.kid for each in keys.listed(directory) if each.revoked] == [kid]


def test_rotation_adds_keys_that_the_register_takes(copy):
    identity = keyfile.read_signing_key(copy.offline(f"identity-{OFFICE}.jwk"))
    directory, later = copy.keys(OFFICE), NOW + timedelta(days=30)
    made = keys.rotate(identity, OFFICE, directory, later)
    register = Register(keyfile.read_public_key(copy.anchor))
    register.apply(topics.REGISTRY_AGENCIES, copy.issued(f"2-{OFFICE}").read_bytes())
    for path in sorted(directory.glob("*.jws")):
        register.apply(topics.keys(OFFICE), path.read_bytes().strip())
    assert register.newest(OFFICE, KeyUse.SIGN, later).key.kid == made[KeyUse.SIGN]
    assert register.newest(OFFICE, KeyUse.SEAL, later).key.kid == made[KeyUse.SEAL]
