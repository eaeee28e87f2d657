"""Private keys in files: whole or not there, never overwritten, never read when open to others."""

import json
import os
import stat

import pytest

from meldeweg.kernel import keyfile
from meldeweg.kernel.errors import Fatal
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.keyfile import read_open_key, read_signing_key, write_private
from meldeweg.kernel.strictjson import dumps

KEYS = [(SigningKey(b"\x03" * 32), read_signing_key), (OpenKey(b"\x04" * 32), read_open_key)]
SIGNING, OPEN = KEYS[0][0], KEYS[1][0]
SECRET = "hunter2-must-not-appear"


def _code(call) -> str:
    with pytest.raises(Fatal) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize(("key", "read"), KEYS, ids=["signing", "open"])
def test_a_written_key_is_read_again(tmp_path, key, read):
    write_private(tmp_path / "key.jwk", key)
    assert read(tmp_path / "key.jwk").private_jwk() == key.private_jwk()
    assert [entry.name for entry in tmp_path.iterdir()] == ["key.jwk"]


def test_only_its_owner_may_read_a_written_key_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_private(tmp_path / "key.jwk", SIGNING)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.jwk").stat().st_mode) == 0o600


def test_a_key_that_is_there_is_never_overwritten(tmp_path):
    write_private(tmp_path / "key.jwk", SIGNING)
    assert _code(lambda: write_private(tmp_path / "key.jwk", SigningKey.generate())) == (
        "key-file-exists"
    )
    assert read_signing_key(tmp_path / "key.jwk").kid == SIGNING.kid
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyfile.os, "fsync", fail)
    with pytest.raises(Fatal, match=r"key-file-not-writable: .*No space"):
        write_private(tmp_path / "key.jwk", SIGNING)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o610, 0o644, 0o666, 0o601])
def test_a_key_that_others_may_touch_is_not_used(tmp_path, mode):
    write_private(tmp_path / "key.jwk", SIGNING)
    (tmp_path / "key.jwk").chmod(mode)
    assert _code(lambda: read_signing_key(tmp_path / "key.jwk")) == "key-file-open"


def test_a_key_that_belongs_to_another_user_is_not_used(tmp_path, monkeypatch):
    write_private(tmp_path / "key.jwk", SIGNING)
    real = os.fstat

    def of_a_stranger(descriptor):
        fields = list(real(descriptor))
        fields[stat.ST_UID] = os.geteuid() + 4711
        return os.stat_result(fields)

    monkeypatch.setattr(keyfile.os, "fstat", of_a_stranger)
    assert _code(lambda: read_signing_key(tmp_path / "key.jwk")) == "key-file-open"


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path):
    assert _code(lambda: read_signing_key(tmp_path / "none")) == "key-file-missing"
    assert _code(lambda: read_signing_key(tmp_path)) == "key-file-unreadable"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        dumps(SIGNING.public_jwk()),
        dumps(SIGNING.private_jwk() | {"d": "AAAA"}),
        dumps(SIGNING.private_jwk() | {"more": "x"}),
        dumps(SIGNING.private_jwk()) + b"x",
        dumps(SIGNING.private_jwk()) + b" " * 20_000 + b"x",
        dumps(OpenKey(b"\x04" * 32).private_jwk()),
    ],
)
def test_a_malformed_file_is_refused_and_not_shown(tmp_path, content):
    path = tmp_path / "key.jwk"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Fatal) as caught:
        read_signing_key(path)
    assert caught.value.code == "key-file-malformed"
    assert str(path) in caught.value.detail
    assert SIGNING.private_jwk()["d"] not in repr(caught.value) + repr(caught.value.__cause__)


SIGN, SEAL = "key for signatures (OKP)", "key for sealing (AKP)"
P_256 = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": SECRET}


@pytest.mark.parametrize(
    ("jwk", "read", "found", "needed"),
    [
        (SIGNING.private_jwk(), read_open_key, f"private {SIGN}", f"private {SEAL}"),
        (OPEN.private_jwk(), read_signing_key, f"private {SEAL}", f"private {SIGN}"),
        (OPEN.private_jwk(), keyfile.read_public_key, f"private {SEAL}", f"public {SIGN}"),
        (SIGNING.public_jwk(), read_signing_key, f"public {SIGN}", f"private {SIGN}"),
        (OPEN.public_jwk(), read_open_key, f"public {SEAL}", f"private {SEAL}"),
        (SIGNING.private_jwk(), keyfile.read_public_key, f"private {SIGN}", f"public {SIGN}"),
        (P_256, read_signing_key, "private key on another curve (EC)", f"private {SIGN}"),
        (
            {"kty": "OKP", "crv": "X25519", "x": "AA", "d": SECRET},
            read_signing_key,
            "private key of another curve (OKP, not Ed25519)",
            f"private {SIGN}",
        ),
        ({"kty": "oct", "k": SECRET}, read_open_key, "private symmetric key", f"private {SEAL}"),
        (
            {"kty": "RSA", "n": "AA", "e": "AQAB"},
            read_open_key,
            "public key for RSA",
            f"private {SEAL}",
        ),
    ],
)
def test_a_key_of_another_kind_is_named_with_the_one_that_is_needed(
    tmp_path, jwk, read, found, needed
):
    detail = refused(tmp_path, json.dumps(jwk).encode(), read)
    assert f": a {found}" in detail
    assert detail.endswith(f"; needed is a {needed}")


@pytest.mark.parametrize("read", [read_signing_key, read_open_key, keyfile.read_public_key])
def test_a_pem_file_is_said_to_be_one(tmp_path, read):
    text = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    assert ": a PEM file; needed is the JWK of a " in refused(tmp_path, text.encode(), read)


@pytest.mark.parametrize("kty", [SECRET, None, 7])
def test_a_kind_that_nobody_knows_is_not_repeated(tmp_path, kty):
    refused(tmp_path, json.dumps({"kty": kty, "crv": SECRET}).encode(), read_signing_key)


def refused(tmp_path, content, read):
    path = tmp_path / "key.jwk"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Fatal) as caught:
        read(path)
    shown = repr(caught.value) + repr(caught.value.__cause__)
    for secret in (SECRET, SIGNING.private_jwk()["d"], OPEN.private_jwk()["priv"]):
        assert secret not in shown
    assert caught.value.code == "key-file-malformed"
    return caught.value.detail
