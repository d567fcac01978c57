"""
What takes part in the fault suite, as processes: the consumers, the server, and who
calls it.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from faults_judge import Journal, read_journal

STARTED_S = 300.0
"A server that does not serve after this, on however busy a machine, will not."

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class ConsumerProcess:
    """One consumer, which can be killed, frozen and brought back."""

    def __init__(
        self,
        name: str,
        directory: Path,
        url: str,
        prefix: Sequence[str] = (),
        certificates: dict[bool, tuple[Path, Path]] | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.journal = directory / f"{name}.journal"
        self.journal.unlink(missing_ok=True)
        self._log = directory / f"{name}.log"
        self._prefix = prefix
        self._certificates = certificates
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, trusted: bool = True) -> None:
        """Bring it (back) up; not trusted: with a certificate that nobody vouches for."""
        files: tuple[str | Path, ...] = ()
        if self._certificates is not None:
            certificate, key = self._certificates[trusted]
            files = ("--certificate", certificate, "--key", key)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(*self._prefix, sys.executable, HERE / "faults_consumer.py"),
                    *("--listen", self.url, "--journal", self.journal, *files),
                ],
                stdout=log,
                stderr=log,
            )

    def end(self, number: int = signal.SIGKILL) -> None:
        """Whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def signal(self, number: int) -> None:
        """Freeze it or let it go on."""
        if self._process is not None:
            self._process.send_signal(number)

    def errors(self) -> list[str]:
        """What went wrong in the consumer itself."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [f"{self.name}: {line}" for line in lines if "Error" in line]

    def read(self) -> Journal:
        """What it wrote down."""
        with self.journal.open(errors="replace", newline="\n") as lines:
            return read_journal(lines)


def start_server(directory: Path, configuration: str) -> tuple[subprocess.Popen[bytes], Path]:
    """``twistd siprec`` with this configuration, and its log."""
    directory.mkdir(parents=True, exist_ok=True)
    file, log = directory / "siprec.yaml", directory / "server.log"
    file.write_text(configuration)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "twistd", "-n", "--pidfile=", "siprec", "--config", file],
            stdout=output,
            stderr=output,
            cwd=directory,
        )
    return process, log


def start_calls(log: Path, target: str, calls: int, seconds: float) -> subprocess.Popen[bytes]:
    """``siprec-call``: so many calls of that length, all at once."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "twisted_siprec.simulator.call", "--tone"),
                *("-n", str(calls), "-r", "20", "-d", f"{seconds:.1f}", f"sip:{target}"),
            ],
            stdout=output,
            stderr=output,
        )


def memory_mib(process: int, row: str = "VmRSS") -> float:
    """
    What a process takes of memory, with its children as they are now.

    :param row: VmRSS for now, VmHWM for the most that it ever took.
    """
    paths = [Path(f"/proc/{process}/status")]
    children = Path(f"/proc/{process}/task/{process}/children")
    if children.exists():
        paths += [Path(f"/proc/{child}/status") for child in children.read_text().split()]
    lines = [line for path in paths if path.exists() for line in path.read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith(row)) / 1024
