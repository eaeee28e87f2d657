"""Questions to a service of this machine, which have no TLS.

The system's authorities are not read for them: for each question of a loop that waits, that took
thirty times as long as the answer.
"""

import ssl

import httpx2

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # believes no certificate: https would fail


def get(url, **options):
    return request("GET", url, **options)


def request(method, url, **options):
    """Ask once, over a connection of its own."""
    return httpx2.request(method, url, trust_env=False, verify=NOBODY, **options)
