"""A role's address names its socket and its password's file, whatever the directory is called."""

from psycopg.conninfo import conninfo_to_dict

from meldeweg.local.roles import Roles


def test_a_directory_may_have_spaces_in_its_name(tmp_path):
    place = tmp_path / "Stapel für Ämter & Co + 1 %"
    roles = Roles(place / "secrets", lambda: {"host": str(place / "run")})
    found = conninfo_to_dict(roles.uri("audit"))
    assert found["host"] == str(place / "run")
    assert found["passfile"] == str(place / "secrets" / "postgres-audit.pgpass")
