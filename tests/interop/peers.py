"""
What the interoperability tests share: the real server as a process of its own,
free ports, and programs of others that may be missing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import pytest

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where a program of others is not installed; .ci/run installs them all."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(
        bool(missing), reason=f"not installed: {', '.join(missing)} (.ci/run installs it)"
    )


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that nothing is bound to on loopback, for UDP and for TCP."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, kind) as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            other = socket.SOCK_STREAM if kind is socket.SOCK_DGRAM else socket.SOCK_DGRAM
            with socket.socket(socket.AF_INET, other) as second:
                try:
                    second.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return port
    raise OSError("no free port")


class Server:
    """``twistd -n siprec --config …`` in a directory of its own."""

    def __init__(self, directory: Path, configuration: str) -> None:
        self.directory = directory
        self.configuration = directory / "siprec.yaml"
        self.configuration.write_text(configuration)
        self.log = directory / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "twistd", "-n", "--pidfile=", "siprec", "--config", self.configuration],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.await_log("serving")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            sys.stderr.write(self.log.read_text()[-8000:])
        self.stop()

    def stop(self, timeout: float = 20) -> None:
        """SIGTERM, and wait for the orderly end, after which twistd dies of the signal."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(timeout) in (0, -signal.SIGTERM)
            assert "stopped" in self.log.read_text()
        finally:
            if self.process.poll() is None:
                self.process.kill()

    def await_log(self, text: str, timeout: float = 20, count: int = 1) -> None:
        """Until the log holds ``text`` so many times."""
        end = time.monotonic() + timeout
        while self.log.read_text().count(text) < count:
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"no {text!r} in the log:\n{self.log.read_text()[-8000:]}")
            time.sleep(0.05)

    def recordings(self, count: int, timeout: float = 20) -> list[tuple[Path, dict]]:
        """The WAV files and JSON documents of finished recordings."""
        end = time.monotonic() + timeout
        while True:
            found = sorted(self.directory.glob("recordings/*.json"))
            if len(found) >= count:
                return [(path.with_suffix(".wav"), json.loads(path.read_text())) for path in found]
            if time.monotonic() > end:
                raise AssertionError(
                    f"{len(found)} of {count} recordings:\n{self.log.read_text()[-8000:]}"
                )
            time.sleep(0.1)


def run(
    *command: str | Path, timeout: float = 60, cwd: Path | None = None, stderr_apart: bool = False
) -> str:
    """Run a program to its end; its output, which is shown where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if stderr_apart else subprocess.STDOUT,
        timeout=timeout,
        check=False,
        text=True,
        cwd=cwd,
    )
    code = done.returncode
    assert code == 0, f"{command[0]} ended with {code}:\n{done.stdout[-5000:]}"
    return done.stdout
