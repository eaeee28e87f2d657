"""The vault: a copy of the store alone says nothing, and rows can't be swapped."""

import pickle

import pytest

from meldeweg.gateway import vault
from meldeweg.gateway.vault import Vault
from meldeweg.kernel.errors import Fatal

KEY = bytes(range(32))
NAME = b"Erika Beispiel"


def test_what_was_sealed_opens_at_its_place():
    sealed = Vault(KEY).seal(NAME, "sent.actor 1")
    assert NAME not in sealed
    assert Vault(KEY).open(sealed, "sent.actor 1") == NAME


def test_the_same_secret_looks_different_each_time():
    assert Vault(KEY).seal(NAME, "sent.actor 1") != Vault(KEY).seal(NAME, "sent.actor 1")


@pytest.mark.parametrize("at", [0, 12, 20, -1])
def test_a_changed_byte_is_noticed(at):
    sealed = bytearray(Vault(KEY).seal(NAME, "sent.actor 1"))
    sealed[at] ^= 1
    with pytest.raises(Fatal) as refused:
        Vault(KEY).open(bytes(sealed), "sent.actor 1")
    assert refused.value.code == "vault-unreadable"


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(28)])
def test_what_is_no_seal_is_unreadable(sealed):
    with pytest.raises(Fatal):
        Vault(KEY).open(sealed, "sent.actor 1")


def test_a_seal_moved_to_another_row_is_unreadable():
    sealed = Vault(KEY).seal(NAME, "sent.actor 1")
    with pytest.raises(Fatal):
        Vault(KEY).open(sealed, "sent.actor 2")


def test_another_key_opens_nothing_and_hashes_differently():
    sealed = Vault(KEY).seal(NAME, "p")
    other = Vault(bytes(32))
    with pytest.raises(Fatal):
        other.open(sealed, "p")
    assert other.hash(NAME, "p") != Vault(KEY).hash(NAME, "p")
    assert other.mark() != Vault(KEY).mark()


def test_hashes_are_equal_for_equal_secrets_of_one_purpose_alone():
    assert Vault(KEY).hash(NAME, "key") == Vault(KEY).hash(NAME, "key")
    assert Vault(KEY).hash(NAME, "key") != Vault(KEY).hash(NAME, "body")


def test_the_key_is_made_once_and_kept(tmp_path):
    path = tmp_path / "vault-key"
    first = vault.load(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert vault.load(path).mark() == first.mark()


def test_a_key_that_others_can_read_is_not_used(tmp_path):
    path = tmp_path / "vault-key"
    vault.load(path)
    path.chmod(0o640)
    with pytest.raises(Fatal) as refused:
        vault.load(path)
    assert refused.value.code == "key-file-open"


def test_a_file_that_holds_no_key_is_named_with_its_setting(tmp_path):
    path = tmp_path / "vault-key"
    for secret in (b"", b"abc", KEY + b"\n"):
        path.write_bytes(secret)
        path.chmod(0o600)
        with pytest.raises(Fatal) as refused:
            vault.load(path)
        assert (refused.value.code, refused.value.detail) == (
            "vault-key-malformed",
            f"vault_key (MELDEWEG_VAULT_KEY): {path}: expected 32 bytes",
        )


@pytest.mark.parametrize("path", ["nowhere/vault-key", "\0"])
def test_a_place_where_no_key_can_be_is_a_wrong_setting(tmp_path, path):
    with pytest.raises(Fatal) as refused:
        vault.load(tmp_path / path)
    assert refused.value.code == "setting-invalid"
    assert refused.value.detail.startswith("vault_key (MELDEWEG_VAULT_KEY): ")


def test_a_vault_is_not_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(Vault(KEY))
