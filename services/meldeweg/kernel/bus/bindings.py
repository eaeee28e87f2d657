"""Between `rights` and what librdkafka calls them."""

from typing import Any

from confluent_kafka.admin import (  # noqa: TID251 - administration, with `admin`
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource

_USER = "User:"
_RESOURCES = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.CLUSTER: ResourceType.BROKER,  # librdkafka's name for the cluster
    Resource.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS = {
    Pattern.LITERAL: ResourcePatternType.LITERAL,
    Pattern.PREFIX: ResourcePatternType.PREFIXED,
}
_OPERATIONS = {each: AclOperation[each.name] for each in Operation}


def binding(kind: Any, acl: Acl) -> Any:
    """Return an `AclBinding`, or the filter that finds it, as `kind` says."""
    return kind(
        _RESOURCES[acl.resource],
        acl.name,
        _PATTERNS[acl.pattern],
        _USER + acl.principal,
        acl.host,
        _OPERATIONS[acl.operation],
        AclPermissionType.DENY if acl.denies else AclPermissionType.ALLOW,
    )


def acl_of(binding: AclBinding) -> Acl | None:
    """Return the right; None for what librdkafka has no word for.

    That is delegation tokens and users, and two-phase commits: none gives access to a topic here.
    """
    resource = next((ours for ours, its in _RESOURCES.items() if its is binding.restype), None)
    pattern = next(
        (ours for ours, its in _PATTERNS.items() if its is binding.resource_pattern_type), None
    )
    operation = next((ours for ours, its in _OPERATIONS.items() if its is binding.operation), None)
    if not (resource and pattern and operation and binding.principal.startswith(_USER)):
        return None
    principal = binding.principal.removeprefix(_USER)
    denies = binding.permission_type is not AclPermissionType.ALLOW
    return Acl(resource, pattern, binding.name, principal, operation, binding.host, denies)
