"""
A consumer that writes down what it hears and is told the moment it comes, so that
nothing of it is lost when it is killed: the witness of the fault suite.

    python bench/faults_consumer.py --listen ws://127.0.0.1:9000 --journal one.journal

It is the consumer of ``siprec-consumer``, whose checks it keeps; what they find is
written down as well. Each line of the journal is a word and its values:

=========  ===============================================================
life       the consumer came up: what follows is of a process that knew
           nothing of what is before
start      stream, Call-ID, Hz, when its position 0 was (POSIX seconds), and ``late``
           for a delivery after the call, else ``live``
audio      stream, position, samples, when it came (POSIX seconds)
gap        stream, position, samples, reason; of gaps that nothing fills
stop       stream, final position
violation  what the check of the protocol found
=========  ===============================================================
"""

from __future__ import annotations

import argparse
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_siprec.simulator.consumer import Consumer, ConsumerOptions
from twisted_siprec.simulator.consumer_options import server_tls
from twisted_siprec.simulator.recstream import ConsumerSettings
from twisted_siprec.simulator.stream_record import Heard, StreamRecord, Text


class Witness(Consumer):
    """A consumer whose memory is a file."""

    def __init__(self, journal: Path, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Unbuffered: what was written is there after SIGKILL.
        self._journal = journal.open("ab", buffering=0)
        self._violations_written: dict[str, int] = {}
        self._write("life")

    def heard(self, record: StreamRecord, audio: Heard) -> None:
        """New audio; it is acknowledged after this."""
        self._write(f"audio {record.stream_id} {audio.position} {audio.samples} {time.time():.5f}")

    def told(self, record: StreamRecord, text: Text) -> None:
        """A text, before it is looked at any further."""
        body = text["data"]
        match text["type"]:
            case "start" | "resume":
                siprec = record.start["siprec"]
                started_at = datetime.fromisoformat(record.start["startedAt"]).timestamp()
                self._write(
                    f"start {record.stream_id} {siprec['sipCallId']} "
                    f"{record.sample_rate} {started_at:.6f} "
                    f"{'late' if record.start.get('late') else 'live'}"
                )
            case "gap" if body["filled"] == "none":
                self._write(
                    f"gap {record.stream_id} {body['pos']} {body['samples']} {body['reason']}"
                )
            case "stop":
                self._write(f"stop {record.stream_id} {body['finalPos']}")
        self._write_violations(record)

    def disconnected(self, connection: Any) -> None:
        """A connection is gone: what its end showed is known by now."""
        super().disconnected(connection)
        if connection.record is not None:
            self._write_violations(connection.record)

    def write_all_violations(self) -> None:
        """What was found since the last text of each stream."""
        for record in self.records.values():
            self._write_violations(record)

    def _write_violations(self, record: StreamRecord) -> None:
        written = self._violations_written.get(record.stream_id, 0)
        for violation in record.violations[written:]:
            self._write(f"violation {violation}")
        self._violations_written[record.stream_id] = len(record.violations)

    def _write(self, line: str) -> None:
        self._journal.write(f"{line}\n".encode())


async def _serve(reactor: Any, options: argparse.Namespace) -> None:
    tls = None if options.certificate is None else server_tls(options.certificate, options.key)
    settings = ConsumerSettings(ack_every_ms=options.ack_ms)
    witness = Witness(
        options.journal, reactor, ConsumerOptions(listen=options.listen, settings=settings), tls
    )
    await witness.listen()
    reactor.addSystemEventTrigger("before", "shutdown", witness.write_all_violations)
    await Deferred()


def main() -> None:
    """Read the options and serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="A consumer that writes a journal.")
    parser.add_argument("--listen", required=True, help="a URL, ws: or wss:")
    parser.add_argument("--journal", type=Path, required=True, help="lines are added to it")
    parser.add_argument("--ack-ms", type=int, default=200)
    parser.add_argument("--certificate", type=Path, help="for wss:, PEM")
    parser.add_argument("--key", type=Path, help="its private key, PEM")
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(_serve(reactor, options)))


if __name__ == "__main__":
    main()
