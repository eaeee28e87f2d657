"""The keyring: certified keys alone, the newest first; new ones are picked up while running."""

from datetime import timedelta

import pytest

from meldeweg.ceremony import keys as ceremony
from meldeweg.gateway.keyring import Keyring
from meldeweg.kernel import keyfile, topics
from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse
from unit.gateway.world import KREIS, NOW, POLICE, World


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "keys"
    path.mkdir(mode=0o700)
    return path


def _issue(world, directory, use=KeyUse.SIGN, at=NOW, **options):
    return ceremony.issue(world.offices[POLICE].identity, POLICE, use, directory, at, **options)


def _view(world, keyring):
    return world.register(*((topics.keys(POLICE), token) for token in keyring.keys.tokens))


def test_the_newest_certified_key_signs(world, directory):
    _issue(world, directory, at=NOW - timedelta(days=2))
    newest = _issue(world, directory, at=NOW - timedelta(days=1))
    _issue(world, directory, at=NOW - timedelta(days=3))
    keyring = Keyring(directory, POLICE)
    assert keyring.signing_key(_view(world, keyring), NOW).kid == newest


def test_a_key_outside_its_time_does_not_sign(world, directory):
    current = _issue(world, directory, at=NOW - timedelta(days=10))
    _issue(world, directory, at=NOW - timedelta(days=5), life=timedelta(days=2))  # ended
    _issue(world, directory, at=NOW + timedelta(days=5))  # not begun
    keyring = Keyring(directory, POLICE)
    assert keyring.signing_key(_view(world, keyring), NOW).kid == current


def test_a_revoked_key_does_not_sign(world, directory):
    older = _issue(world, directory, at=NOW - timedelta(days=2))
    newer = _issue(world, directory, at=NOW - timedelta(days=1))
    ceremony.revoke(world.offices[POLICE].identity, POLICE, newer, "Probe", directory, NOW)
    keyring = Keyring(directory, POLICE)
    assert len(keyring.keys.tokens) == 3
    assert keyring.signing_key(_view(world, keyring), NOW).kid == older


def test_a_key_that_the_register_does_not_know_as_ours_does_not_sign(world, directory):
    _issue(world, directory)
    keyring = Keyring(directory, POLICE)
    with pytest.raises(Unavailable) as missing:
        keyring.signing_key(world.register(), NOW)
    assert missing.value.code == "no-signing-key"


def test_a_certificate_of_a_stranger_makes_no_signing_key(world, directory):
    stranger = SigningKey.generate()
    ceremony.issue(stranger, POLICE, KeyUse.SIGN, directory, NOW)
    keyring = Keyring(directory, POLICE)
    view = world.register()
    for token in keyring.keys.tokens:
        with pytest.raises(Exception, match="signature"):
            view.apply(topics.keys(POLICE), token)
    with pytest.raises(Unavailable):
        keyring.signing_key(view, NOW)


def test_every_sealing_key_here_opens_and_the_oversight_key_is_only_published(
    world, directory, tmp_path
):
    old = _issue(world, directory, KeyUse.SEAL, NOW - timedelta(days=400))
    new = _issue(world, directory, KeyUse.SEAL)
    officer = tmp_path / "officer"
    oversight = _issue(world, directory, KeyUse.OVERSIGHT, private_directory=officer)
    keyring = Keyring(directory, POLICE)
    assert set(keyring.keys.opening) == {old, new}
    assert keyring.opening_key(oversight) is None
    assert oversight in keyring.keys.certificates


def test_new_keys_are_picked_up_while_running(world, directory):
    first = _issue(world, directory, at=NOW - timedelta(days=1))
    keyring = Keyring(directory, POLICE)
    assert not keyring.scan()
    second = _issue(world, directory)
    assert keyring.scan()
    assert set(keyring.keys.signing) == {first, second}
    assert not keyring.scan()


def test_a_private_key_waits_for_its_certificate(world, directory):
    keyring = Keyring(directory, POLICE)
    key = OpenKey.generate()
    keyfile.write_private(directory / f"{key.kid}.jwk", key)
    keyring.scan()
    assert keyring.opening_key(key.kid) is None
    token = issue.certify(world.offices[POLICE].identity, POLICE, key.public, KeyUse.SEAL, NOW)
    (directory / f"{key.kid}.jws").write_bytes(token + b"\n")
    keyring.scan()
    assert keyring.opening_key(key.kid) is not None


def _misnamed(world, directory):
    kid = _issue(world, directory)
    other = _issue(world, directory)
    (directory / f"{kid}.jwk").unlink()
    (directory / f"{kid}.jwk").write_bytes((directory / f"{other}.jwk").read_bytes())
    (directory / f"{kid}.jwk").chmod(0o600)


def _readable(world, directory):
    kid = _issue(world, directory)
    (directory / f"{kid}.jwk").chmod(0o644)


def _of_another(world, directory):
    ceremony.issue(world.offices[KREIS].identity, KREIS, KeyUse.SIGN, directory, NOW)


def _garbage(world, directory):
    (directory / "x.jws").write_bytes(b"not.a.token")


def _huge(world, directory):
    (directory / "x.jws").write_bytes(b"x" * 100_000)


WRONG = [_misnamed, _readable, _of_another, _garbage, _huge]


@pytest.mark.parametrize("spoil", WRONG)
def test_a_wrong_file_stops_the_start(world, directory, spoil):
    spoil(world, directory)
    with pytest.raises(Fatal) as refused:
        Keyring(directory, POLICE)
    assert str(directory) in refused.value.detail


@pytest.mark.parametrize("spoil", WRONG)
def test_a_file_that_becomes_wrong_is_passed_over_and_the_others_serve(world, directory, spoil):
    good = _issue(world, directory, at=NOW - timedelta(days=1))
    keyring = Keyring(directory, POLICE)
    spoil(world, directory)
    keyring.scan()
    assert good in keyring.keys.signing


def test_a_missing_directory_stops_the_start(tmp_path):
    with pytest.raises(Fatal) as refused:
        Keyring(tmp_path / "none", POLICE)
    assert refused.value.code == "keys-unreadable"
