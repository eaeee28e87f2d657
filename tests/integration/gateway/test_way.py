"""A message's way between two gateway processes over a real broker."""

import pytest

from integration.gateway.district import KREIS, POLICE

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def kreis(district):
    gateway = district.gateway(KREIS).ready()
    yield gateway
    gateway.kill()  # one active instance per agency


@pytest.fixture(scope="module")
def police(district, kreis):
    gateway = district.gateway(POLICE).ready().knows(KREIS)
    yield gateway
    gateway.kill()


def test_a_message_is_delivered_opened_acknowledged_and_its_sender_sees_it(police, kreis):
    answer = police.send()
    assert answer.status_code == 201, answer.text
    message = answer.json()["id"]
    police.becomes(message, "delivered")
    (item,) = [each for each in kreis.inbox() if each["id"] == message]
    assert item["kennzeichen"] == answer.json()["kennzeichen"]
    opened = kreis.http.get(f"/v1/inbox/{message}", headers={"Acting-Person": "Erika Beispiel"})
    assert opened.status_code == 200, opened.text
    assert opened.json()["content"]["grounds"]
    taken = kreis.http.post(
        f"/v1/inbox/{message}/receipts", json={"kind": "acknowledged", "by": "Erika Beispiel"}
    )
    assert taken.status_code == 201, taken.text
    police.becomes(message, "acknowledged")
    timeline = police.http.get(f"/v1/messages/{message}").json()["timeline"]
    assert [step["kind"] for step in timeline] == ["sent", "delivered", "acknowledged"]
    assert timeline[-1]["by"] == "Erika Beispiel"
