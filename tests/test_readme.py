"""
README.rst keeps its word: its commands are those that CI runs, and the consumer
in it consumes.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import time
import wave
from pathlib import Path

import pytest

from tests.interop.peers import BIN, Server, free_port, run

TOP = Path(__file__).parent.parent
README = (TOP / "README.rst").read_text()

CONFIGURATION = """
sip:
  listeners: [{{transport: udp, address: 127.0.0.1, port: {sip}}}]
media: {{address: 127.0.0.1}}
destinations: {{consumer: {{url: "ws://127.0.0.1:{consumer}"}}}}
default_destinations: [consumer]
"""


def commands() -> list[str]:
    """The lines of README.rst that make a virtual environment."""
    return [line.strip() for line in README.splitlines() if "python3 -m venv" in line]


def test_two_commands() -> None:
    """There are two, and CI runs the second as it stands."""
    assert len(commands()) == 2
    assert commands()[1] in (TOP / ".ci" / "run").read_text()


@pytest.mark.interop
def test_the_consumer_of_the_readme(tmp_path: Path) -> None:
    """The twenty lines, run as they are, write the audio of a call."""
    code = re.search(r"\.\. code-block:: python\n\n(.*?)\n\n``", README, re.DOTALL)
    assert code is not None
    sip, port = free_port(), free_port()
    program = textwrap.dedent(code[1])
    assert "9000" in program
    assert len([line for line in program.splitlines() if line.strip()]) <= 26
    (tmp_path / "consumer.py").write_text(program.replace("9000", str(port)))
    consumer = subprocess.Popen(
        [sys.executable, "-u", "consumer.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        with Server(tmp_path, CONFIGURATION.format(sip=sip, consumer=port)) as server:
            call = ("--tone", "--duration", "2", f"sip:srs@127.0.0.1:{sip}")
            run(BIN / "siprec-call", *call)
            server.await_log("consumer got")
        time.sleep(0.5)
    finally:
        consumer.terminate()
        told, _ = consumer.communicate(timeout=10)
    assert '"type":"stop"' in told.replace(" ", "")
    [path] = tmp_path.glob("*.wav")
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 2
        assert file.getframerate() == 8000
        assert 2.0 <= file.getnframes() / 8000 < 2.3
