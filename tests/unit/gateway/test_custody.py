import pytest

from meldeweg.gateway.custody import Custody
from meldeweg.gateway.vault import Vault
from meldeweg.kernel.errors import WrongSetting
from meldeweg.kernel.settings import said


async def test_a_store_keeps_to_the_vault_key_it_began_with(store):
    await Custody(store, Vault(bytes(32))).start()
    await Custody(store, Vault(bytes(32))).start()
    with pytest.raises(WrongSetting) as refused:
        await Custody(store, Vault(b"1" * 32)).start()
    assert refused.value.code == "vault-key-wrong"
    assert said("vault_key") in refused.value.detail
