"""
A million messages that are nearly right, while a call is recorded that must not notice.

    python bench/fuzz.py [--messages 1000000] [--seed 1]

Sends mutations of the corpora (``fuzz_messages.py``) to the listeners of a server: most
by UDP, some by TCP and TLS. After every few of them an OPTIONS has to be answered, so
that nothing is dropped unread and a server that hangs is seen at once. Beside that, by
another source, calls follow each other with a tone in each of their streams; a consumer
checks what it gets. Many of the INVITEs are good enough for a call, too, up to a limit.

Exits with 1 where the log has a fault, a packet of a good call was lost or late, the
consumer found the protocol or the promise broken, or the server is gone. Prints JSON,
with the memory over the run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from calls import resident_mb
from fuzz_messages import DialogNames, Mutations, acknowledgement

from twisted_siprec.simulator.certificates import make_certificate

BIN = Path(sys.executable).parent
SOURCE = "127.0.0.2"
"Mutations come from here, the good calls from 127.0.0.1."
BATCH = 12
"Messages between two OPTIONS; together they have to fit into a socket's queue."
SAMPLES = 200
"Of the memory, over the run."

CONFIGURATION = """
sip:
  listeners:
    - {{transport: udp, address: 127.0.0.1, port: {sip}}}
    - {{transport: tcp, address: 127.0.0.1, port: {sip}}}
    - {{transport: tls, address: 127.0.0.1, port: {tls}, certificate: {certificate}, key: {key}}}
sources:
  - {{name: fuzz, networks: [127.0.0.2], limits: {{calls: 20}}}}
  - {{name: calls, networks: [127.0.0.1]}}
media: {{address: 127.0.0.1, ports: [12000, 31999], jitter_ms: 300}}
limits: {{calls: 200, calls_per_second: 0}}
log: {{level: {level}}}
stopping: {{drain_s: 0}}
destinations: {{consumer: {{url: "ws://127.0.0.1:{consumer}/"}}}}
default_destinations: [consumer]
"""

OPTIONS = (
    "OPTIONS sip:srs@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} 127.0.0.2:5060;rport;branch=z9hG4bKmark{number}\r\n"
    "From: <sip:f@example.com>;tag=m\r\nTo: <sip:srs@127.0.0.1>\r\nCall-ID: mark-{number}\r\n"
    "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


class Silent(Exception):
    """The server does not answer."""


class Fuzz:
    """Sends mutations, and hears what comes of them."""

    def __init__(self, seed: int, port: int, tls_port: int) -> None:
        self.mutations = Mutations(seed)
        self.address, self.tls_address = ("127.0.0.1", port), ("127.0.0.1", tls_port)
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.datagrams.bind((SOURCE, 0))
        self.datagrams.connect(self.address)
        self.tls = ssl.create_default_context()
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
        self.sent = {"udp": 0, "tcp": 0, "tls": 0}
        self.answers: dict[str, int] = {}
        self.marks = 0

    def by_udp(self, count: int) -> None:
        """So many datagrams, and an OPTIONS that has to be answered."""
        for _ in range(count):
            message = self.mutations.message()[:60_000]
            # An empty datagram is noise like any other; a refused one was never sent.
            self.datagrams.send(message)
        self.sent["udp"] += count
        self.marks += 1
        mark = OPTIONS.format(transport="UDP", number=self.marks).encode()
        for _ in range(100):
            self.datagrams.send(mark)
            self.datagrams.settimeout(0.2)
            try:
                while True:
                    answer = self.datagrams.recv(65_535)
                    self._note(answer)
                    if b"Call-ID: mark-%d\r" % self.marks in answer:
                        return
            except TimeoutError:
                continue
        raise Silent

    def by_stream(self, count: int, secure: bool) -> None:
        """So many messages on a connection of their own, which may be cut off by any of them."""
        messages = b"".join(self.mutations.message() for _ in range(count))
        self.sent["tls" if secure else "tcp"] += count
        try:
            with socket.create_connection(
                self.tls_address if secure else self.address, 10, (SOURCE, 0)
            ) as plain:
                connection = self.tls.wrap_socket(plain) if secure else plain
                connection.sendall(messages)
                if not secure:
                    connection.shutdown(socket.SHUT_WR)
                connection.settimeout(0.05 if secure else 10)
                while octets := connection.recv(65_535):
                    self._note(octets)
        except TimeoutError:
            if not secure:
                raise Silent from None
        except OSError:
            """It cut us off in the midst of what we sent."""

    def _note(self, answer: bytes) -> None:
        word = answer[8:11].decode("latin-1") if answer.startswith(b"SIP/2.0 ") else "requests"
        self.answers[word] = self.answers.get(word, 0) + 1
        ack = acknowledgement(answer)
        if ack is not None and answer[8:9] != b"2":
            # Of those that are taken some get an ACK below, by chance, and most never do.
            self.datagrams.send(ack)
        dialog = DialogNames.of(answer)
        if dialog is not None:
            self.mutations.dialogs.append(dialog)


class Calls:
    """Good calls, one after another."""

    def __init__(self, port: int, seconds: int) -> None:
        self.port, self.seconds = port, seconds
        self.count = self.failed = 0
        self.process: subprocess.Popen | None = None

    def go_on(self) -> None:
        """Begin another one where the last is over."""
        if self.process is not None:
            if self.process.poll() is None:
                return
            self.failed += self.process.returncode != 0
        self.process = subprocess.Popen(
            [
                BIN / "siprec-call",
                *("--tone", "--transport", "tcp", "--duration", str(self.seconds)),
                f"sip:srs@127.0.0.1:{self.port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.count += 1

    def end(self) -> None:
        """Wait for the last one."""
        if self.process is not None:
            self.failed += self.process.wait() != 0


def judged(directory: Path, calls: Calls) -> list[str]:
    """What is wrong with the calls that had audio."""
    stops = []
    for path in directory.glob("**/*.jsonl"):
        for line in path.read_text().splitlines():
            message = json.loads(line)
            if message.get("type") == "stop":
                stops.append(message["data"])
    good = [stop for stop in stops if any(each["packets"] for each in stop["channels"])]
    wrong = [] if len(good) == calls.count else [f"{len(good)} of {calls.count} calls arrived"]
    if calls.failed:
        wrong.append(f"{calls.failed} calls failed")
    for stop in good:
        packets = [each["packets"] for each in stop["channels"]]
        lost = [each["lost"] + each["late"] for each in stop["channels"]]
        named = {
            kind: ms for kind, ms in stop["gaps"].items() if ms and kind in ("rtp_loss", "late")
        }
        if packets != [calls.seconds * 50] * 2 or any(lost) or named:
            wrong.append(f"a call had {packets} packets, {lost} lost or late, gaps {named}")
    return wrong


def slope(samples: list[tuple[int, float]]) -> float:
    """MB more for each 100,000 messages, over the second half of the run."""
    later = samples[len(samples) // 2 :]
    if len(later) < 2 or later[-1][0] == later[0][0]:
        return 0.0
    mean_x = sum(x for x, _ in later) / len(later)
    mean_y = sum(y for _, y in later) / len(later)
    spread = sum((x - mean_x) ** 2 for x, _ in later)
    return sum((x - mean_x) * (y - mean_y) for x, y in later) / spread * 100_000


def free_port() -> int:
    """A port that is free for TCP and for UDP."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            port = int(stream.getsockname()[1])
            try:
                datagrams.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def listening(port: int) -> bool:
    """The server takes connections."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def run(chosen: argparse.Namespace, directory: Path) -> tuple[dict, list[str]]:
    """The whole run: what it came to, and what was wrong."""
    port, tls_port, consumer_port = free_port(), free_port(), free_port()
    certificate, key = make_certificate(directory)
    (directory / "siprec.yaml").write_text(
        CONFIGURATION.format(
            sip=port,
            tls=tls_port,
            consumer=consumer_port,
            certificate=certificate,
            key=key,
            level=chosen.level,
        )
    )
    log = directory / "server.log"
    with log.open("wb") as told, (directory / "consumer.log").open("wb") as heard:
        consumer = subprocess.Popen(
            [
                BIN / "siprec-consumer",
                *("--listen", f"ws://127.0.0.1:{consumer_port}", "--check", "--quiet"),
                *("--directory", directory / "consumed"),
            ],
            stdout=heard,
            stderr=heard,
        )
        server = subprocess.Popen(
            [BIN / "twistd", "-n", "--pidfile=", "siprec", "--config", "siprec.yaml"],
            cwd=directory,
            stdout=told,
            stderr=told,
        )
    try:
        while not listening(port):
            if server.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.1)
        result, wrong = attack(chosen, server.pid, port, tls_port)
        calls = result.pop("calls")
        time.sleep(2)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        consumer.send_signal(signal.SIGTERM)
        consumer.wait(30)
    faults = re.findall(
        r"(?m)^.*(?:Traceback|Unhandled|[Aa] fault ).*$", log.read_text(errors="replace")
    )
    wrong += [f"{len(faults)} faults in the log, the first: {faults[0]}"] if faults else []
    if consumer.returncode:
        wrong.append((directory / "consumer.log").read_text()[-2000:])
    wrong += judged(directory / "consumed", calls)
    return {**result, "good_calls": calls.count}, wrong


def attack(
    chosen: argparse.Namespace, pid: int, port: int, tls_port: int
) -> tuple[dict, list[str]]:
    """Send it all."""
    fuzz, calls = Fuzz(chosen.seed, port, tls_port), Calls(port, chosen.call_seconds)
    memory: list[tuple[int, float]] = []
    wrong: list[str] = []
    total, rounds = 0, 0
    calls.go_on()
    time.sleep(1)
    began = time.monotonic()
    try:
        while total < chosen.messages:
            fuzz.by_udp(BATCH)
            rounds += 1
            if rounds % 4 == 0:
                fuzz.by_stream(8, secure=False)
            if rounds % 40 == 0:
                fuzz.by_stream(8, secure=True)
            total = sum(fuzz.sent.values())
            if len(memory) < total * SAMPLES // chosen.messages:
                memory.append((total, resident_mb(pid)))
            calls.go_on()
    except KeyboardInterrupt:
        """As far as it came; what came of it is judged all the same."""
    except (Silent, OSError) as error:
        wrong.append(f"the server is silent after {total} messages: {error!r}")
    elapsed = time.monotonic() - began
    calls.end()
    each = max(1, len(memory) // 10)
    return {
        "seed": chosen.seed,
        "messages": fuzz.sent,
        "seconds": round(elapsed),
        "per_second": round(total / elapsed),
        "answers": dict(sorted(fuzz.answers.items())),
        "memory_mb": [round(mb) for _, mb in memory[::each]],
        "memory_mb_per_100_000_messages": round(slope(memory), 2),
        "calls": calls,
    }, wrong


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--call-seconds", type=int, default=60, help="each of the good calls")
    options.add_argument("--level", default="info", help="of the server's log")
    options.add_argument("--keep", type=Path, help="a directory for the logs, which stay there")
    chosen = options.parse_args()
    if chosen.keep is not None:
        chosen.keep.mkdir(parents=True, exist_ok=True)
        result, wrong = run(chosen, chosen.keep)
    else:
        with tempfile.TemporaryDirectory() as name:
            result, wrong = run(chosen, Path(name))
    print(json.dumps({"cpus": os.cpu_count(), **result, "wrong": wrong}, indent=1))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
