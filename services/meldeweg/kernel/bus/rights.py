"""Rights at the broker as data: who may do what with which resource. Knows no client."""

from dataclasses import dataclass
from enum import StrEnum

CLUSTER = "kafka-cluster"  # the only name a cluster resource has
EVERYBODY = "*"  # as a principal


class Resource(StrEnum):
    TOPIC = "topic"
    GROUP = "group"
    CLUSTER = "cluster"
    TRANSACTIONAL_ID = "transactional-id"


class Pattern(StrEnum):
    LITERAL = "literal"
    PREFIX = "prefix"


class Operation(StrEnum):
    """What a right allows; the broker lets READ and WRITE imply DESCRIBE."""

    ALL = "all"
    READ = "read"
    WRITE = "write"
    CREATE = "create"
    DELETE = "delete"
    ALTER = "alter"
    DESCRIBE = "describe"
    CLUSTER_ACTION = "cluster-action"
    DESCRIBE_CONFIGS = "describe-configs"
    ALTER_CONFIGS = "alter-configs"
    IDEMPOTENT_WRITE = "idempotent-write"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right that is given, or withheld.

    `principal`: without `User:`, for instance `gw-polizei-viersen`; `*` is everybody. `host`: the
    only address it holds for, or `*`. `denies`: it withholds, and goes before all that is given.
    """

    resource: Resource
    pattern: Pattern
    name: str
    principal: str
    operation: Operation
    host: str = "*"
    denies: bool = False
