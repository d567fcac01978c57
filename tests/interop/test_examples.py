"""The consumers of docs/examples, as they are, against the real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.interop.peers import BIN, Server, free_port

pytestmark = pytest.mark.interop

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
README = (EXAMPLES.parents[1] / "README.rst").read_text()
# Where Debian puts node-ws; a Node of another make does not look there by itself.
NODE = {**os.environ, "NODE_PATH": os.environ.get("NODE_PATH", "/usr/share/nodejs")}
COMPLETE = {
    "python": (sys.executable, str(EXAMPLES / "framed_consumer.py")),
    "node": ("node", str(EXAMPLES / "framed_consumer.js")),
}
CONFIGURATION = """
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]
media: {{address: 127.0.0.1}}
destinations:
  consumer: {{url: "ws://127.0.0.1:{port}", backoff_max_s: 0.5, chunk_ms: 40}}
  recordings: {{url: "file:./recordings"}}
default_destinations: [consumer, recordings]
"""


def needs_ws() -> None:
    """Skip where there is no Node with ws."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("not installed: node (.ci/run installs it)")
    found = subprocess.run([node, "-e", "require('ws')"], env=NODE, capture_output=True)
    if found.returncode:
        pytest.skip("not installed: node-ws (.ci/run installs it)")


@contextmanager
def consumer(command: tuple[str, ...], port: int, directory: Path) -> Iterator[Path]:
    """A consumer of the examples; it is killed in the end. Yields what it prints."""
    output = directory / f"{time.monotonic_ns()}.out"
    with output.open("wb") as out:
        arguments = (*command, str(port), str(directory / "consumed"))
        process = subprocess.Popen(arguments, stdout=out, cwd=directory, env=NODE)
    try:
        yield output
    finally:
        process.kill()
        process.wait()


def samples(path: Path) -> bytes:
    """The audio of a WAV file."""
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def told(directory: Path) -> list[dict[str, Any]]:
    """What the consumer kept of what it was told."""
    [path] = directory.glob("consumed/*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("language", COMPLETE)
def test_complete(tmp_path: Path, language: str) -> None:
    """
    It is killed twice amid a call, and started again: each sample is there once and in
    its place, each key press was told once, and its sum is the server's. Between * and #
    it pauses the recording, which a gap stands for.
    """
    if language == "node":
        needs_ws()
    sip, port = free_port(), free_port()
    command = COMPLETE[language]
    call = [str(BIN / "siprec-call"), "--tone", "--duration", "6", "--dtmf", "1*2#3"]
    with Server(tmp_path, CONFIGURATION.format(sip=sip, port=port)) as server:
        with consumer(command, port, tmp_path):
            calling = subprocess.Popen([*call, f"sip:srs@127.0.0.1:{sip}"])
            server.await_log("connected to consumer")
            time.sleep(2.5)
        with consumer(command, port, tmp_path):
            time.sleep(1.5)
        with consumer(command, port, tmp_path) as output:
            assert calling.wait(30) == 0
            server.await_log("consumer got")
            time.sleep(0.3)
            account = json.loads(output.read_text())
        [(recording, _)] = server.recordings(1)
    texts = told(tmp_path)
    expected = bytearray(samples(recording))
    for gap in (text["data"] for text in texts if text["type"] == "gap"):
        if gap["filled"] == "none":
            assert gap["reason"] == "paused"
            first, octets = 4 * gap["pos"], 4 * gap["samples"]
            expected[first : first + octets] = bytes(octets)
    [pcm] = tmp_path.glob("consumed/*.pcm")
    assert pcm.read_bytes() == expected
    assert account["exact"] is True
    assert 0 < account["missing"] < 16_000
    assert 4 * (account["delivered"] + account["missing"]) == len(expected)
    assert [text["data"]["digit"] for text in texts if text["type"] == "dtmf"] == list("1*2#3")
    assert texts[-1]["type"] == "stop"
    assert texts[-1]["data"]["reconnects"] >= 2


def test_plain_is_the_one_of_the_readme() -> None:
    """The twenty lines are those that README.rst shows, but for the port."""
    code = (EXAMPLES / "plain_consumer.py").read_text()
    for line in code.splitlines():
        if line.strip() and not line.startswith(('"""', "import ")):
            shown = line.replace("int(sys.argv[1])", "9000").replace(", flush=True", "")
            assert f"    {shown}\n" in README, line
