"""
Several recording servers behind ``etc/kamailio/kamailio.cfg``, as it is but for
addresses and times: one is killed, one is told to stop, and calls go on.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.peers import BIN, Server, free_port, needs, run

pytestmark = [pytest.mark.interop, needs("kamailio", "sipsak")]

ROOT = Path(__file__).parents[2]
KAMAILIO = ROOT / "etc" / "kamailio"
CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.2, port: {port}}}
    - {{transport: tcp, address: 127.0.0.2, port: {port}}}
media: {{address: 127.0.0.2}}
stopping: {{drain_s: {drain_s}}}
"""
REFCIS = range(27298690, 27298696)


class Recorder(Server):
    """One of the recording servers, at another address than SRCs; it may be killed."""

    def __init__(self, directory: Path, port: int = 0, drain_s: int = 30) -> None:
        directory.mkdir()
        self.port = port or free_port()
        text = CONFIGURATION.format(port=self.port, drain_s=drain_s)
        super().__init__(directory, text)
        self._killed = False

    def kill(self) -> None:
        """As a machine does that loses its power."""
        assert self.process is not None
        self._killed = True
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout: float = 40) -> None:
        """In order, unless it was killed."""
        if not self._killed:
            super().stop(timeout)

    @property
    def calls(self) -> int:
        """How many it took so far."""
        return self.log.read_text().count(" recording sip:")

    @property
    def seconds(self) -> list[float]:
        """How long each finished recording is."""
        lengths = []
        for path in sorted(self.directory.glob("recordings/*.wav")):
            with wave.open(str(path)) as file:
                lengths.append(round(file.getnframes() / file.getframerate(), 1))
        return lengths


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """The text with each of these replaced, which must be there."""
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    return text


@contextmanager
def proxy(
    directory: Path, *recorders: Recorder, transport: str = "tcp", ping_s: int = 60
) -> Iterator[int]:
    """
    Kamailio as it is delivered; the port that it listens on. With OPTIONS as rare as they
    are unless ``ping_s`` is given, it is calls that find out about the servers.
    """
    port = free_port()
    servers = directory / "dispatcher.list"
    servers.write_text(
        "".join(f"1 sip:127.0.0.2:{each.port};transport={transport} 0 0\n" for each in recorders)
    )
    configuration = directory / "kamailio.cfg"
    configuration.write_text(
        replaced(
            (KAMAILIO / "kamailio.cfg").read_text(),
            ("192.0.2.5:5060", f"127.0.0.1:{port}"),
            ("192.0.2.0/24", "127.0.0.1/32"),
            ("/etc/kamailio/dispatcher.list", str(servers)),
            ('"ds_ping_interval", 5', f'"ds_ping_interval", {ping_s}'),
            ('loadmodule "ctl.so"\n', ""),
        )
    )
    with (directory / "kamailio.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(shutil.which("kamailio") or "kamailio", "-DD", "-E", "-m", "64", "-M", "8"),
                *("-f", configuration, "-Y", directory, "-P", directory / "kamailio.pid"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    except BaseException:
        print((directory / "kamailio.log").read_text()[-6000:])
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def call(port: int, *options: str) -> list[str | Path]:
    """The command of a call, or of several."""
    return [BIN / "siprec-call", f"sip:srs@127.0.0.1:{port}", "--tone", *options]


def answered(port: int, status: int, timeout: float = 15) -> None:
    """Until OPTIONS at the proxy are answered so."""
    end = time.monotonic() + timeout
    while True:
        asked = subprocess.run(
            ["sipsak", "-s", f"sip:srs@127.0.0.1:{port}", "-v"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=20,
        ).stdout
        if f"SIP/2.0 {status}" in asked:
            return
        assert time.monotonic() < end, asked
        time.sleep(0.2)


def begun(count: int, *recorders: Recorder) -> None:
    """Until they have so many calls in their logs, of all times."""
    end = time.monotonic() + 30
    while sum(each.calls for each in recorders) < count:
        assert time.monotonic() < end
        time.sleep(0.05)


def tried_the_next(directory: Path) -> int:
    """How often a call was offered to one server in vain, and then to another one."""
    return (directory / "kamailio.log").read_text().count("trying the next server")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_server_is_killed(tmp_path: Path, transport: str) -> None:
    """
    Calls are shared. When one server dies, the next call already is answered by the
    other one, and so is each after it.
    """
    recorders = [Recorder(tmp_path / str(number)) for number in range(2)]
    first, second = recorders
    with first, second, proxy(tmp_path, *recorders, transport=transport) as port:
        answered(port, 200)
        run(*call(port, "--calls", "12", "--rate", "12", "-d", "1"))
        assert first.calls + second.calls == 12
        assert first.calls and second.calls
        assert tried_the_next(tmp_path) == 0
        before = second.calls
        first.kill()
        run(*call(port, "--calls", "12", "--rate", "12", "-d", "1"))
        assert second.calls == before + 12
        assert tried_the_next(tmp_path) > 0


def test_a_server_drains(tmp_path: Path) -> None:
    """
    A server that is told to stop while it has calls gets no new one. Those that it has
    go on to their end, which is the SRC's, and each is recorded whole; new ones go to
    the other server.
    """
    recorders = [Recorder(tmp_path / str(number)) for number in range(2)]
    first, second = recorders
    with first, second, proxy(tmp_path, *recorders) as port:
        answered(port, 200)
        early = subprocess.Popen(call(port, "--calls", "8", "--rate", "8", "-d", "12"))
        begun(8, *recorders)
        held = first.calls
        assert 0 < held < 8
        assert first.process is not None
        first.process.send_signal(signal.SIGTERM)
        first.await_log("calls in progress may go on")
        run(*call(port, "--calls", "12", "--rate", "12", "-d", "1"))
        assert first.process.poll() is None
        assert tried_the_next(tmp_path) > 0
        assert early.wait(40) == 0
        first.process.wait(20)
        assert first.calls == held
        assert first.log.read_text().count("ended: BYE received") == held
        # A little more where the machine was busy, as lost time is recorded as silence.
        assert len(first.seconds) == held
        assert all(11.9 <= each <= 16 for each in first.seconds)
        assert second.calls == 20 - held
        long = [each >= 11.9 for each in second.seconds]
        assert sorted(long) == [False] * 12 + [True] * (8 - held)


def test_options_find_out(tmp_path: Path) -> None:
    """
    By OPTIONS a server that is gone, or drains, is known before any call is offered to it;
    and so is one that is back. Without any SRCs are told 503.
    """
    recorders = [Recorder(tmp_path / str(number)) for number in range(2)]
    first, second = recorders
    two_rounds_s = 3
    with first, second, proxy(tmp_path, *recorders, ping_s=1) as port:
        answered(port, 200)
        first.kill()
        time.sleep(two_rounds_s)
        run(*call(port, "--calls", "8", "--rate", "8", "-d", "1"))
        assert second.calls == 8
        with Recorder(tmp_path / "again", first.port) as again:
            time.sleep(two_rounds_s)
            long = subprocess.Popen(call(port, "--calls", "8", "--rate", "8", "-d", "20"))
            begun(16, again, second)
            assert again.calls
            assert again.process is not None
            again.process.send_signal(signal.SIGTERM)
            again.await_log("calls in progress may go on")
            time.sleep(two_rounds_s)
            before = again.calls
            run(*call(port, "--calls", "8", "--rate", "8", "-d", "1"))
            assert again.process.poll() is None
            assert again.calls == before
            assert tried_the_next(tmp_path) == 0
            assert long.wait(40) == 0
        second.stop()
        answered(port, 503)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_server_ends_a_call(tmp_path: Path, transport: str) -> None:
    """A BYE of the server's own, once it has waited long enough, reaches the SRC."""
    recorder = Recorder(tmp_path / "0", drain_s=0)
    with recorder, proxy(tmp_path, recorder, transport=transport) as port:
        answered(port, 200)
        with (tmp_path / "call.log").open("wb") as log:
            long = subprocess.Popen(call(port, "-d", "60"), stdout=log, stderr=log)
        recorder.await_log(" recording sip:")
        recorder.await_log("hears stream 1")
        recorder.stop()
        long.wait(10)
        assert "BYE" in (tmp_path / "call.log").read_text()


def test_halves_of_a_call_stay_together(tmp_path: Path) -> None:
    """
    Dialogs whose From has one x-refci, as Cisco's built-in bridge sends them, go to one
    server.
    """
    recorders = [Recorder(tmp_path / str(number)) for number in range(2)]
    first, second = recorders
    with first, second, proxy(tmp_path, *recorders) as port:
        answered(port, 200)
        for refci in REFCIS:
            caller = f"sip:{refci}@127.0.0.1;x-nearend;x-refci={refci}"
            run(*call(port, "--calls", "2", "--rate", "4", "-d", "1", "--from", caller))
        shares = [
            {refci for refci in REFCIS if f"recording sip:{refci}@" in each.log.read_text()}
            for each in recorders
        ]
        assert first.calls + second.calls == 2 * len(REFCIS)
        assert all(shares)
        assert not shares[0] & shares[1]
