"""Whom a client over HTTP believes."""

import ssl

import pytest

from meldeweg.client import connection
from meldeweg.kernel.authority import trusting


def of_the_sdk(url, ca):
    return connection.options(url, "t", ca, None)["verify"]


@pytest.mark.parametrize("verify", [trusting, of_the_sdk])
def test_where_there_is_no_tls_no_authority_is_read_and_none_believed(verify):
    found = verify("http://127.0.0.1:8080", None)
    assert found.get_ca_certs() == []
    assert (found.verify_mode, found.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("verify", [trusting, of_the_sdk])
@pytest.mark.parametrize("url", ["https://127.0.0.1:8080", "HTTPS://127.0.0.1", "HTTP://127.0.0.1"])
def test_everywhere_else_the_systems_are_believed(verify, url):
    assert verify(url, None) is True
