"""The audit's tables, as versions of DDL that are applied once each, in order.

Guarantees: a database of an older version is brought forward in one transaction; one of a newer
version is refused. Trusted: the database is not; what is signed is checked against its own rows
(`sealing`), and what an operator changes there afterwards, anyone who verifies finds.
"""

from typing import Any

import psycopg

from meldeweg.kernel.errors import Fatal

SCHEMA = "audit"
_LOCK = 0x6D65_6C64  # advisory lock: two starting processes migrate one after the other

# Partitions per year: retention drops a year whole. Payload columns are never compressed: they are
# base64, and trying costs more than the fifth that it would save. `entry.stream` has no foreign
# key: checking each row would cost more than writing it, and only one writer writes.
VERSIONS = (
    """
    CREATE TABLE state (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        epoch bigint NOT NULL,
        year smallint,
        bus_topic_id bytea,
        bus_next bigint NOT NULL DEFAULT 0
    );
    INSERT INTO state (epoch) VALUES (0);
    CREATE TABLE log (
        year smallint PRIMARY KEY,
        origin text NOT NULL UNIQUE,
        previous bytea NOT NULL,
        size bigint NOT NULL
    );
    CREATE TABLE stream (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        topic_id bytea NOT NULL UNIQUE,
        next bigint NOT NULL DEFAULT 0,
        halted text
    );
    CREATE TABLE entry (
        year smallint NOT NULL,
        index bigint NOT NULL,
        stream integer,
        "offset" bigint,
        appended bigint NOT NULL,
        canonical bytea,
        sealed bytea,
        leaf bytea NOT NULL,
        PRIMARY KEY (year, index),
        UNIQUE (year, stream, "offset")
    ) PARTITION BY LIST (year);
    ALTER TABLE entry ALTER COLUMN canonical SET STORAGE EXTERNAL;
    ALTER TABLE entry ALTER COLUMN sealed SET STORAGE EXTERNAL;
    CREATE TABLE tile (
        year smallint NOT NULL REFERENCES log,
        level smallint NOT NULL,
        index bigint NOT NULL,
        data bytea NOT NULL,
        PRIMARY KEY (year, level, index)
    );
    ALTER TABLE tile ALTER COLUMN data SET STORAGE EXTERNAL;
    CREATE TABLE manifest (
        year smallint NOT NULL REFERENCES log,
        number bigint NOT NULL,
        first bigint NOT NULL,
        last bigint NOT NULL,
        note bytea NOT NULL,
        PRIMARY KEY (year, number)
    );
    CREATE TABLE checkpoint (
        year smallint NOT NULL REFERENCES log,
        size bigint NOT NULL,
        root bytea NOT NULL,
        note bytea NOT NULL,
        manifest bigint NOT NULL,
        signed_at timestamptz NOT NULL,
        PRIMARY KEY (year, size)
    );
    CREATE TABLE alarm (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        code text NOT NULL,
        subject text NOT NULL,
        detail text NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        count bigint NOT NULL DEFAULT 1,
        resolved_at timestamptz,
        resolved_by text
    );
    CREATE UNIQUE INDEX alarm_open ON alarm (code, subject) WHERE resolved_at IS NULL;
    """,
    """
    CREATE TABLE decision (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        kind text NOT NULL,
        subject text NOT NULL,
        code text NOT NULL,
        was bigint,
        now bigint,
        by text NOT NULL,
        reason text NOT NULL
    );
    """,
)


def migrate(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Bring the schema to the newest version; `Fatal("schema-newer")` for one from the future."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # CREATE … IF NOT EXISTS asks for the right to create even where the schema is there.
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (SCHEMA,))
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE SCHEMA {SCHEMA}")
        cursor.execute("CREATE TABLE IF NOT EXISTS version (number integer NOT NULL)")
        cursor.execute("SELECT coalesce(max(number), 0) FROM version")
        (found,) = cursor.fetchone() or (0,)
        if found > len(VERSIONS):
            raise Fatal("schema-newer", f"database has {found}, this program {len(VERSIONS)}")
        for number, ddl in enumerate(VERSIONS[found:], found + 1):
            cursor.execute(ddl.encode())
            cursor.execute("INSERT INTO version VALUES (%s)", (number,))


def add_year(cursor: psycopg.Cursor[tuple[Any, ...]], year: int) -> None:
    """Create the partition of one year's entries."""
    # Rows of a few kB stay whole in their page: moving their columns out costs more than all else.
    cursor.execute(
        f"CREATE TABLE entry_{year:d} PARTITION OF entry FOR VALUES IN ({year:d}) "
        "WITH (toast_tuple_target = 8160)"
    )
