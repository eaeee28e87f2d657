from meldeweg.kernel.bus.rights import Operation, Pattern, Resource
from meldeweg.kernel.topics import CENTRAL
from meldeweg.local.bootstrap import registry_rights

RIGHTS = registry_rights("service-registry")


def may(operation, topic):
    return any(
        right.resource is Resource.TOPIC
        and right.operation is operation
        and (
            right.name in ("*", topic)
            if right.pattern is Pattern.LITERAL
            else topic.startswith(right.name)
        )
        for right in RIGHTS
    )


def test_it_may_read_no_message_and_no_event_and_write_none():
    for topic in ("inbox.jugendamt-nettetal.polizei-viersen", "events.polizei-viersen"):
        assert not may(Operation.READ, topic)
        assert not may(Operation.WRITE, topic)


def test_it_may_publish_what_is_its_own_and_see_the_keys():
    for topic in (name for name in CENTRAL if name.startswith("registry.")):
        assert may(Operation.WRITE, topic)
        assert may(Operation.READ, topic)
    assert may(Operation.READ, "keys.polizei-viersen")
    assert not may(Operation.WRITE, "keys.polizei-viersen")
    assert not may(Operation.WRITE, "audit.checkpoints")


def test_it_may_make_topics_and_delete_none():
    assert may(Operation.CREATE, "inbox.a.b")
    assert not may(Operation.DELETE, "inbox.a.b")


def test_of_the_cluster_it_may_change_rights_and_nothing_else():
    cluster = {right.operation for right in RIGHTS if right.resource is Resource.CLUSTER}
    assert cluster == {Operation.ALTER, Operation.DESCRIBE}


def test_it_gets_nothing_that_means_everything():
    assert {right.operation for right in RIGHTS}.isdisjoint(
        {Operation.ALL, Operation.DELETE, Operation.CLUSTER_ACTION}
    )
