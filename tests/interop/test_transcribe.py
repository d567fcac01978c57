"""
A recogniser of others hears a call as it is recorded: the example consumer against the
real server, and the demonstration. The recogniser is that of the extra ``transcribe``.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.interop.peers import BIN, Server, free_port
from twisted_siprec.simulator.speech import said_by
from twisted_siprec.simulator.words import word_errors, words

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        importlib.util.find_spec("moonshine_voice") is None,
        reason="not installed: the extra transcribe (.ci/run installs it)",
    ),
]

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "transcribe.py"
MOST_WRONG = 2
"Words of a party. On speech of two sentences the recogniser errs once or not at all."
CONFIGURATION = """
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]
media: {{address: 127.0.0.1}}
webhooks: [{{name: words, url: "http://127.0.0.1:{http}/", events: [consumer.said, call.ended]}}]
destinations:
  words: {{url: "ws://127.0.0.1:{port}", framing: framed, sample_rate: 16000,
          close_timeout_s: 60}}
default_destinations: [words]
"""


class Posts(BaseHTTPRequestHandler):
    """A webhook's server, which keeps the bodies."""

    bodies: list[dict[str, Any]]

    def do_POST(self) -> None:
        """Keep it."""
        length = int(self.headers["Content-Length"])
        self.bodies.append(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal."""


def until(holds: Any, timeout_s: float = 60) -> None:
    """Wait for it."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.1)


def test_example(tmp_path: Path) -> None:
    """
    Each party's words are printed under its name as they end, and come to the webhook
    before the call's end does.
    """
    sip, port = free_port(), free_port()
    kept = type("Kept", (Posts,), {"bodies": []})
    http = ThreadingHTTPServer(("127.0.0.1", 0), kept)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    output = tmp_path / "words"
    with output.open("wb") as out:
        consumer = subprocess.Popen([sys.executable, str(EXAMPLE), str(port)], stdout=out)
    try:
        text = CONFIGURATION.format(sip=sip, port=port, http=http.server_port)
        with Server(tmp_path, text):
            calling = subprocess.Popen([str(BIN / "siprec-call"), f"sip:srs@127.0.0.1:{sip}"])
            until(lambda: "Ann Caller: " in output.read_text())
            assert calling.poll() is None, "the words came after the call only"
            assert calling.wait(60) == 0
            until(lambda: any(body["event"] == "call.ended" for body in kept.bodies))
    finally:
        consumer.kill()
        consumer.wait()
        http.shutdown()
    printed = output.read_text().splitlines()
    said = [body for body in kept.bodies if body["event"] == "consumer.said"]
    assert kept.bodies[-1]["event"] == "call.ended"
    for name, role in (("Ann Caller", "caller"), ("Bob Callee", "callee")):
        heard = " ".join(line.split(": ", 1)[1] for line in printed if name in line)
        assert word_errors(words(said_by(role)), words(heard)) <= MOST_WRONG, heard
        told = [body["payload"] for body in said if body["payload"]["role"] == role]
        assert " ".join(words["text"] for words in told) == heard
        assert [words["startMs"] for words in told] == sorted(words["startMs"] for words in told)
        assert all(words["startMs"] < words["endMs"] <= 13_000 for words in told)
    assert {(body["destination"], body["name"]) for body in said} == {("words", "transcript")}


def test_demonstration() -> None:
    """The words are shown line by line, and held against those that were said."""
    command = [sys.executable, "-m", "twisted_siprec.simulator.demo", "--transcribe"]
    done = subprocess.run(
        [*command, "--codec", "G722"], stdout=subprocess.PIPE, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert any("s  caller: Hello" in line for line in lines), done.stdout
    assert lines[-1] == "Every sample arrived."
    errors = [line.split()[2::2] for line in lines if "word errors: " in line]
    assert [of for _, of in errors] == ["17", "14"]
    assert all(int(wrong) <= MOST_WRONG for wrong, _ in errors), done.stdout
