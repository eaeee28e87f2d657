import re
from pathlib import Path

import pytest

from meldeweg.local.broker_config import PRINCIPAL_RULES, Node, log4j_properties, server_properties


def node(number):
    home = Path(f"/stack/broker/{number}")
    return Node(number, 20000 + number, 21000 + number, home, home / "keystore.pem")


def properties(count, **more):
    cluster = tuple(node(n) for n in range(1, count + 1))
    text = server_properties(cluster[0], cluster, Path("/stack/pki/ca.pem"), **more)
    return dict(line.split("=", 1) for line in text.splitlines())


def principal(subject):
    """Apply the rules as the broker does: the first that matches the whole name."""
    for rule in re.findall(r"RULE:(.*?)/(.*?)/,", PRINCIPAL_RULES):
        match = re.fullmatch(rule[0].strip("^$"), subject)
        if match:
            return re.sub(r"\$(\d)", lambda m, found=match: found[int(m[1])], rule[1])
    return subject


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("CN=polizei-viersen,OU=gateway,O=Meldeweg Demo", "gw-polizei-viersen"),
        ("CN=registry,OU=service,O=Meldeweg Demo", "service-registry"),
        ("CN=1,OU=broker,O=Meldeweg Demo", "broker-1"),
    ],
)
def test_a_certificate_of_ours_becomes_its_principal(subject, expected):
    assert principal(subject) == expected


@pytest.mark.parametrize(
    "subject",
    [
        "CN=1,OU=broker,O=Somebody Else",
        "CN=polizei-viersen,OU=gateway,O=Somebody Else",
        "O=Meldeweg Demo,OU=broker,CN=1",
        "CN=1,OU=broker,O=Meldeweg Demo,C=DE",
        "CN=x,CN=1,OU=broker,O=Meldeweg Demo",
        "CN=1+OU=broker,OU=broker,O=Meldeweg Demo",
        "CN=A,OU=gateway,O=Meldeweg Demo",
    ],
)
def test_any_other_name_stays_itself_and_so_has_no_right(subject):
    assert principal(subject) == subject


def test_only_brokers_are_super_users():
    assert properties(3)["super.users"] == "User:broker-1;User:broker-2;User:broker-3"


def test_there_is_no_listener_without_mutual_tls():
    settings = properties(1)
    assert settings["listener.security.protocol.map"] == "MTLS:SSL,CONTROLLER:SSL"
    assert settings["ssl.client.auth"] == "required"
    assert settings["ssl.enabled.protocols"] == "TLSv1.3"
    names = {part.split(":")[0] for part in settings["listeners"].split(",")}
    assert names == {"MTLS", "CONTROLLER"}
    assert all("//127.0.0.1:" in part for part in settings["listeners"].split(","))


def test_who_has_no_right_has_none():
    settings = properties(1)
    assert settings["authorizer.class.name"].endswith(".StandardAuthorizer")
    assert "allow.everyone.if.no.acl.found" not in settings
    assert settings["auto.create.topics.enable"] == "false"


@pytest.mark.parametrize(("nodes", "factor", "minimum"), [(1, "1", "1"), (3, "3", "2")])
def test_with_three_nodes_one_may_be_lost(nodes, factor, minimum):
    settings = properties(nodes)
    assert {v for k, v in settings.items() if k.endswith("replication.factor")} == {factor}
    assert {v for k, v in settings.items() if k.endswith((".isr", "insync.replicas"))} == {minimum}


def test_inside_a_container_it_listens_for_all_and_is_known_as_loopback():
    settings = properties(1, listen="0.0.0.0", data=Path("/var/lib/kafka/data"))
    assert settings["listeners"].startswith("MTLS://0.0.0.0:20001,CONTROLLER://127.0.0.1:")
    assert settings["advertised.listeners"].startswith("MTLS://127.0.0.1:20001,")
    assert settings["log.dirs"] == "/var/lib/kafka/data"


def test_backslashes_of_a_path_survive_java():
    home = Path("/st\\ack")
    odd = Node(1, 1, 2, home, home / "k.pem")
    assert "log.dirs=/st\\\\ack/data\n" in server_properties(odd, (odd,), Path("/ca.pem"))


def test_log4j_escapes_what_it_puts_into_json():
    pattern = log4j_properties().split("pattern=")[1].split("\n")[0]
    for converter in ("%m", "%xEx"):
        assert f"%enc{{{converter}}}{{JSON}}" in pattern
