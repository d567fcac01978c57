"""Call records of the server that twistd runs, in SQLite and in PostgreSQL."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .peers import BIN, Server, free_port, run

pytestmark = pytest.mark.interop

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {port}}}
media: {{address: 127.0.0.1, advertise: 127.0.0.1}}
destinations: {{recordings: {{url: "file:recordings"}}}}
records: {{database: "{database}", node: {node}, hide: caller}}
"""

ROWS = (
    "SELECT node, state, reason, caller, called, packets > 90, complete "
    "FROM siprec_calls ORDER BY began_at"
)


def call(port: int) -> None:
    """A call of a second."""
    run(BIN / "siprec-call", "-d", "1", f"127.0.0.1:{port}")


def test_sqlite(tmp_path: Path) -> None:
    """A row for each call; one that the server did not survive is lost."""
    port = free_port()
    text = CONFIGURATION.format(port=port, database="sqlite:records.sqlite", node="one")
    with Server(tmp_path, text) as server:
        call(port)
        server.recordings(1)
        calling = subprocess.Popen(
            [BIN / "siprec-call", "-d", "30", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL
        )
        server.await_log("hears stream 0", count=2)
        assert server.process is not None
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)
        calling.send_signal(signal.SIGINT)
        calling.wait(40)
        server.log.write_text("stopped")
        server.process.returncode = 0
    with Server(tmp_path, text) as server:
        call(port)
        server.recordings(2)
    with sqlite3.connect(tmp_path / "records.sqlite") as database:
        rows = database.execute(ROWS).fetchall()
    assert [row[1] for row in rows] == ["ended", "lost", "ended"]
    assert rows[0] == ("one", "ended", "call_ended", None, "sip:+15550199@example.com", 1, 1)


def postgresql_programs() -> Path | None:
    """Where PostgreSQL's programs are; Debian keeps them out of the way."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL server of our own on loopback; its URL."""
    programs = postgresql_programs()
    if programs is None or importlib.util.find_spec("psycopg") is None:
        pytest.skip("not installed: postgresql and psycopg (.ci/run installs them)")
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    # It does not run as root.
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        for path in (cluster, *cluster.parents):
            if path == Path("/tmp"):
                break
            path.chmod(0o755)
        shutil.chown(cluster, user)
    arguments = ["-D", str(cluster), "-U", "siprec", "-A", "trust", "-N", "-E", "UTF8"]
    subprocess.run(
        [programs / "initdb", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        user=user,
        cwd="/",
    )
    port = free_port(socket.SOCK_STREAM)
    with (tmp_path / "postgresql.log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", cluster, "-p", str(port), "-h", "127.0.0.1", "-k", ""],
            stdout=log,
            stderr=log,
            user=user,
            cwd="/",
        )
    url = f"postgresql://siprec@127.0.0.1:{port}/postgres"
    try:
        for _ in range(100):
            ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            if subprocess.run(ready, check=False).returncode == 0:
                break
            assert process.poll() is None, (tmp_path / "postgresql.log").read_text()
        else:
            subprocess.run([*ready, "-t", "20"], check=True)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def test_postgresql(tmp_path: Path, postgresql: str) -> None:
    """Two nodes write into one table; connections that break are made anew."""
    import psycopg

    ports = free_port(), free_port()
    places = tmp_path / "one", tmp_path / "two"
    for place in places:
        place.mkdir()
    texts = [
        CONFIGURATION.format(port=port, database=postgresql, node=place.name)
        for port, place in zip(ports, places, strict=True)
    ]
    with Server(places[0], texts[0]) as one, Server(places[1], texts[1]) as two:
        call(ports[0])
        call(ports[1])
        with psycopg.connect(postgresql, autocommit=True) as database:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
            )
        call(ports[0])
        one.recordings(2)
        two.recordings(1)
    with psycopg.connect(postgresql) as database:
        rows = database.execute(ROWS).fetchall()
        [[names]] = database.execute(
            "SELECT count(*) FROM siprec_calls, jsonb_array_elements(participants)"
        ).fetchall()
    expected = ("ended", "call_ended", None, "sip:+15550199@example.com", True, True)
    assert rows == [("one", *expected), ("two", *expected), ("one", *expected)]
    assert names >= 3
