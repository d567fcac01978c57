"""The demonstration as a user starts it: all of the server, end to end."""

from __future__ import annotations

import subprocess
import sys
import wave
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop

DEMONSTRATIONS = {
    "default": (),
    "fault": ("--fault",),
    "separate-g722-tls": ("--layout", "separate", "--codec", "G722", "--transport", "tls"),
    "mono-pcma-tcp-plain": (
        *("--layout", "mono", "--codec", "PCMA", "--transport", "tcp", "--framing", "plain"),
    ),
}


def start(arguments: tuple[str, ...], directory: Path) -> subprocess.Popen[str]:
    """Begin a demonstration."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "twisted_siprec.simulator.demo"),
            *("--directory", str(directory), *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_demonstrations(tmp_path: Path) -> None:
    """Every sample arrives, with any layout, codec and transport, and over a lost consumer."""
    running = {
        name: start(arguments, tmp_path / name) for name, arguments in DEMONSTRATIONS.items()
    }
    for name, process in running.items():
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, f"{name}:\n{output}"
        assert output.rstrip().endswith("Every sample arrived."), output
        assert "\x1b" not in output
        for path in (tmp_path / name).glob("*.wav"):
            with wave.open(str(path)) as file:
                assert 11 < file.getnframes() / file.getframerate() < 13


def test_wrong_options() -> None:
    """A mistake in the options is told, with exit code 1."""
    process = start(("--codec", "ILBC"), Path("unused"))
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "ILBC is none of" in output
