"""The one thing done with super user rights: give the registry what it needs to do the rest.

Guarantees: the registry may see, give and take rights, make and configure topics, read and write
its own topics and read the keys. It is no super user, may delete no topic, change no broker, and
read no inbox (it could grant itself that; the grant would be seen). Idempotent.
Trusts the super user's certificate, which no service ever gets.
"""

import asyncio

from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.rights import CLUSTER, Acl, Operation, Pattern, Resource
from meldeweg.local.pki import Credential

_ON_THE_CLUSTER = (
    Operation.ALTER,  # give and take rights
    Operation.DESCRIBE,  # see which rights there are
)
_ON_EVERY_TOPIC = (
    Operation.ALTER,
    Operation.ALTER_CONFIGS,
    Operation.CREATE,
    Operation.DESCRIBE,
    Operation.DESCRIBE_CONFIGS,
)


def registry_rights(principal: str) -> tuple[Acl, ...]:
    """Return all rights of the registry, as rights that the broker keeps."""

    def topics(prefix: str, operation: Operation) -> Acl:
        return Acl(Resource.TOPIC, Pattern.PREFIX, prefix, principal, operation)

    return (
        *(
            Acl(Resource.CLUSTER, Pattern.LITERAL, CLUSTER, principal, operation)
            for operation in _ON_THE_CLUSTER
        ),
        *(
            Acl(Resource.TOPIC, Pattern.LITERAL, "*", principal, operation)
            for operation in _ON_EVERY_TOPIC
        ),
        topics("registry.", Operation.READ),
        topics("registry.", Operation.WRITE),
        topics("keys.", Operation.READ),
        Acl(Resource.GROUP, Pattern.PREFIX, "registry.", principal, Operation.READ),
    )


def bootstrap(broker: str, super_user: Credential, registry: Credential) -> None:
    """Grant `registry_rights` at `broker` (host:port,…).

    Raises `Unavailable` while the broker can't, `Refused` where the certificate may not.
    """
    asyncio.run(_grant(connection(broker, super_user), registry_rights(registry.principal)))


def connection(broker: str, credential: Credential) -> Connection:
    """Return what a Kafka client of this project needs, for one identity of the demo PKI."""
    return Connection(
        bootstrap=broker,
        ca=credential.ca,
        cert=credential.cert,
        key=credential.key,
        client_id=credential.principal,
    )


async def _grant(super_user: Connection, rights: tuple[Acl, ...]) -> None:
    admin = Admin(super_user)
    try:
        await admin.create_acls(rights)
    finally:
        await admin.close()
