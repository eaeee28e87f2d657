"""The commands of ceremonies, as a person and a script use them, offline."""

import json
from datetime import UTC, datetime

import pytest

from meldeweg.ceremony import services
from meldeweg.cli import refusals
from meldeweg.kernel import agreement, keyfile
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.trust.issue import change_status
from meldeweg.kernel.trust.objects import AgencyStatus

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_an_agency_is_enrolled_issued_keys_and_signs_offline(run, tmp_path):
    made = {}
    for name in ("anchor", "police"):
        code, out, _ = run("agency", "new-key", tmp_path / f"{name}.jwk", "--json")
        assert code == 0
        made[name] = json.loads(out)
    enrol = (
        "agency", "enrol", "polizei-musterstadt", "--name", "Polizei Musterstadt",
        "--kind", "police", "--identity", tmp_path / "police.pub.jwk",
        "--anchor", tmp_path / "anchor.jwk", "--out", tmp_path / "enrolment",
        "--municipality", "05166008", "--json",
    )  # fmt: skip
    code, out, _ = run(*enrol)
    assert code == 0
    assert json.loads(out)["digest"] == Digest.of((tmp_path / "enrolment").read_bytes())
    code, _, err = run(*enrol)
    assert code == 1
    assert json.loads(err)["error"] == "file-exists"

    keys = ("--identity", tmp_path / "police.jwk", "--agency", "polizei-musterstadt",
            "--keys", tmp_path / "keys")  # fmt: skip
    code, out, _ = run("keys", "issue", *keys, "--use", "sign", "--json")
    assert code == 0
    kid = json.loads(out)["sign"]
    assert run("keys", "rotate", *keys)[0] == 0
    assert run("keys", "issue", *keys, "--use", "oversight")[0] == 2, "not the gateway's"
    code, out, _ = run("keys", "revoke", kid, *keys, "--reason", "Übung", "--json")
    assert (code, json.loads(out)) == (0, {"revoked": kid})
    assert run("keys", "revoke", kid, *keys, "--reason", "Übung")[0] == 1
    listed = json.loads(run("keys", "list", "--keys", tmp_path / "keys", "--json")[1])
    assert [each["use"] for each in listed].count("sign") == 2
    assert [each["kid"] for each in listed if each["revoked"]] == [kid]
    assert kid in run("keys", "list", "--keys", tmp_path / "keys")[1]


@pytest.mark.parametrize("ahead", [(), ("--",)])
def test_a_kid_that_begins_with_a_hyphen_is_no_option(run, tmp_path, ahead):
    run("agency", "new-key", tmp_path / "police.jwk")
    call = ("keys", "revoke", "--identity", tmp_path / "police.jwk", "--reason", "Übung",
            "--agency", "polizei-musterstadt", "--keys", tmp_path / "keys", "--unseen")  # fmt: skip
    kid = "-h" + "A" * 41
    (tmp_path / "keys").mkdir()
    assert run(*call, *ahead, kid)[:2] == (0, f"revoked: {kid}\n")
    assert run(*call, "-Z")[0] == run(*call)[0] == 2


def test_keys_of_the_wrong_hand_or_in_the_wrong_place_are_not_made(run, tmp_path):
    for name in ("police", "office"):
        assert run("agency", "new-key", tmp_path / f"{name}.jwk")[0] == 0
    held = tmp_path / "keys"

    def call(verb, *more, identity="police", agency="polizei-musterstadt"):
        where = ("--identity", tmp_path / f"{identity}.jwk", "--agency", agency, "--keys", held)
        return run("keys", verb, *where, *more, "--json")

    kid = json.loads(call("issue", "--use", "sign")[1])["sign"]
    before = sorted(held.iterdir())
    for wrong in ({"identity": "office"}, {"agency": "jugendamt-musterstadt"}):
        for verb, *more in (("issue", "--use", "sign"), ("rotate",),
                            ("revoke", kid, "--reason", "Übung")):  # fmt: skip
            code, _, err = call(verb, *more, **wrong)
            assert (code, json.loads(err)["error"]) == (1, "key-of-another-agency")
    slip = "A" * 43
    code, _, err = call("revoke", slip, "--reason", "Übung")
    assert (code, json.loads(err)["error"]) == (1, "key-unknown")
    assert call("issue", "--use", "oversight", "--private", held)[0] == 2
    assert sorted(held.iterdir()) == before, "nothing was written"
    assert call("revoke", slip, "--reason", "Übung", "--unseen")[0] == 0
    code, _, err = run("keys", "list", "--keys", tmp_path / "nowhere", "--json")
    assert (code, json.loads(err)["error"]) == (1, "key-directory-missing")


def test_a_service_key_is_certified_and_renewed_offline(run, tmp_path):
    for name in ("anchor", "registry"):
        assert run("agency", "new-key", tmp_path / f"{name}.jwk")[0] == 0
    given = ("keys", "service", "registry", "--key", tmp_path / "registry.pub.jwk",
             "--anchor", tmp_path / "anchor.jwk")  # fmt: skip
    code, out, _ = run(*given, "--out", tmp_path / "first", "--json")
    assert code == 0
    assert json.loads(out)["digest"] == Digest.of((tmp_path / "first").read_bytes())
    assert run(*given, "--out", tmp_path / "next", "--earlier", tmp_path / "first")[0] == 0
    first, following = (services.read((tmp_path / n).read_bytes()) for n in ("first", "next"))
    assert following.not_before == first.not_before
    assert following.verify_until > first.verify_until
    assert run("keys", "service", "watch", *given[3:], "--out", tmp_path / "no")[0] == 2
    back = ("keys", "withdraw", tmp_path / "next", "--anchor", tmp_path / "anchor.jwk")
    assert run(*back, "--out", tmp_path / "gone")[0] == 0
    gone = services.read((tmp_path / "gone").read_bytes())
    assert gone.key == following.key
    assert gone.verify_until == gone.at
    assert run("keys", "withdraw", tmp_path / "registry.pub.jwk", *back[3:], "--out", "x")[0] == 1


def test_an_agreement_is_made_shown_and_signed_by_its_parties_alone(run, tmp_path):
    district = agreement.load_district("kreis-viersen")
    kids = {}
    for partner in district.parties:
        _, out, _ = run("agency", "new-key", tmp_path / f"{partner.agency}.jwk", "--json")
        kids[partner.agency] = json.loads(out)["kid"]
    (tmp_path / "kids").write_text(json.dumps(kids))
    document = tmp_path / "agreement"
    made = run("agreement", "make", "kreis-viersen", "--identities", tmp_path / "kids",
               "--out", document, "--json")  # fmt: skip
    assert made[0] == 0
    assert "Grefrath" in run("agreement", "show", document)[1]
    assert json.loads(run("agreement", "show", document, "--json")[1])["v"] == 1
    one, other = (each.agency for each in district.parties[:2])

    def sign(agency, key):
        identity, out = tmp_path / f"{key}.jwk", tmp_path / f"by-{agency}"
        given = ("--agency", agency, "--identity", identity, "--out", out)
        return run("agreement", "sign", document, *given)

    assert sign(one, one)[0] == 0
    code, _, err = sign(other, one)
    assert code == 1
    assert "agreement-signature-refused" in err
    assert not (tmp_path / f"by-{other}").exists()


@pytest.mark.parametrize(
    ("command", "refused", "code"),
    [
        (("agency", "enrol", "a", "--name", "", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "a", "--name", "\udc80", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "a", "--name", "A\x1b[2J", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "LONG-ID", "--name", "A", "--identity", "@police.pub.jwk", "ENROL"),
         "enrolment-malformed", 1),
        (("agency", "enrol", "a", "--name", "A", "--identity", "@anchor.pub.jwk", "ENROL"),
         "identity-is-anchor", 1),
        (("agency", "enrol", "A b", "--name", "A", "--identity", "@police.pub.jwk", "ENROL"),
         "agency-id-malformed", 1),
        (("agency", "new-key", "@gone/key.jwk"), "key-file-not-writable", 1),
        (("agency", "new-key", "@one.jwk"), "key-file-exists", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@keys", "--unseen", "--reason", ""),
         "reason-malformed", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@keys", "--unseen", "--reason", "LONG"),
         "reason-malformed", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@keys", "--unseen", "--reason", "a\nb"),
         "reason-malformed", 1),
        (("keys", "revoke", "KID", "OWN", "--keys", "@gone", "--unseen", "--reason", "x"),
         "directory-unusable", 2),
        (("keys", "issue", "OWN", "--keys", "@list.json", "--use", "sign"),
         "directory-unusable", 2),
        (("keys", "issue", "OWN", "--keys", "@list.json/below", "--use", "sign"),
         "directory-unusable", 2),
        (("keys", "rotate", "OWN", "--keys", "@list.json"), "directory-unusable", 2),
        (("keys", "issue", "OWN", "--keys", "@odd", "--use", "sign"), "file-unreadable", 1),
        (("keys", "list", "--keys", "@odd"), "file-unreadable", 1),
        (("agreement", "make", "kreis-viersen", "--identities", "@number.json", "--out", "@out"),
         "identities-malformed", 1),
        (("agreement", "make", "kreis-viersen", "--identities", "@list.json", "--out", "@out"),
         "identities-malformed", 1),
        (("agreement", "make", "@wrong.toml", "--identities", "@kids.json", "--out", "@out"),
         "district-malformed", 1),
        (("agreement", "make", "@gone.toml", "--identities", "@kids.json", "--out", "@out"),
         "district-malformed", 1),
    ],
)  # fmt: skip
def test_bad_input_to_a_ceremony_is_refused_by_code_and_in_both_languages(
    hand, tmp_path, command, refused, code
):
    kid = keyfile.read_public_key(tmp_path / "police.pub.jwk").kid
    (tmp_path / "kids.json").write_text(json.dumps({"polizei-viersen": kid}))
    (tmp_path / "keys").mkdir()
    command = [kid if word == "KID" else word for word in command]
    ended, _, err = hand(*command)
    assert (err.partition(":")[0], ended) == (refused, code)
    sentence = next(group[refused] for group in refusals.catalogue().values() if refused in group)
    assert sentence.german in err
    assert sentence.english
    assert json.loads(hand(*command, "--json")[2])["error"] == refused
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "keys").iterdir())


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\0b", "a\u202eb", "a\nb", "\u2060"])
def test_a_revocation_of_an_agency_needs_a_reason_that_readers_take(reason):
    with pytest.raises(Refused) as refused:
        change_status(SigningKey.generate(), AgencyId("a"), AgencyStatus.REVOKED, 1, reason, NOW)
    assert refused.value.code == "reason-malformed"


def test_a_failed_signing_leaves_no_file(run, tmp_path):
    (tmp_path / "open.jwk").write_text("{}")
    (tmp_path / "doc").write_bytes(b"{}")
    out = tmp_path / "out"
    assert run("agreement", "sign", tmp_path / "doc", "--agency", "x", "--identity",
               tmp_path / "open.jwk", "--out", out)[0] == 1  # fmt: skip
    assert not out.exists()
    assert run("agreement", "show", tmp_path / "gone")[0] == 1
