import pytest

from meldeweg.gateway.custody import Custody
from meldeweg.gateway.vault import Vault
from meldeweg.kernel.errors import WrongSetting
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.settings import said

POLICE = AgencyId("polizei-viersen")
OFFICE = AgencyId("jugendamt-kempen")


async def test_a_store_keeps_to_the_vault_key_it_began_with(store):
    first, again = (Custody(POLICE, store, Vault(bytes(32))) for _ in range(2))
    await first.start()
    await again.start()
    assert (first.begun, again.begun) == (True, False)
    with pytest.raises(WrongSetting) as refused:
        await Custody(POLICE, store, Vault(b"1" * 32)).start()
    assert refused.value.code == "vault-key-wrong"
    assert said("vault_key") in refused.value.detail


async def test_a_store_is_gone_on_with_by_its_own_agency_alone(store):
    await Custody(POLICE, store, Vault(bytes(32))).start()
    with pytest.raises(WrongSetting) as refused:
        await Custody(OFFICE, store, Vault(bytes(32))).start()
    assert refused.value.code == "store-of-another"
    assert said("agency") in refused.value.detail
    assert POLICE in refused.value.detail


async def test_a_store_that_named_nobody_yet_names_who_goes_on_with_it(store):
    await Custody(POLICE, store, Vault(bytes(32))).start()
    await store.write(lambda db: db.execute("DELETE FROM meta WHERE name = 'agency'").close())
    await Custody(OFFICE, store, Vault(bytes(32))).start()
    with pytest.raises(WrongSetting) as refused:
        await Custody(POLICE, store, Vault(bytes(32))).start()
    assert refused.value.code == "store-of-another"
