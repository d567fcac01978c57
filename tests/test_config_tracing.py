"""
The configuration of Homer and of the flight recorder.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import Configuration, ConfigurationError, parse
from twisted_siprec.config.tracing import FlightRecorder, HomerConfiguration, Payloads
from twisted_siprec.plan import Secret
from twisted_siprec.routing.patterns import AddressPattern


def mistakes(text: str) -> list[str]:
    """What is wrong, without the file's name."""
    try:
        parse(text, "c", environment={"KEY": "x"})
    except ConfigurationError as error:
        return [str(mistake).removeprefix("c:") for mistake in error.mistakes]
    return []


class TracingConfigurationTests(SynchronousTestCase):
    """``homer`` and ``flight_recorder``."""

    def test_defaults(self) -> None:
        """Neither is there unless it is configured."""
        self.assertIsNone(Configuration().homer.collector)
        self.assertIsNone(Configuration().flight_recorder.directory)

    def test_homer(self) -> None:
        """Every key."""
        homer = parse(
            "homer: {collector: 'homer:9060', transport: tcp, capture_id: 7, node: rec-1,"
            " password: {environment: KEY}}",
            environment={"KEY": "x"},
        ).homer
        password = Secret(environment="KEY")
        self.assertEqual(homer, HomerConfiguration(("homer", 9060), "tcp", 7, "rec-1", password))

    def test_flight_recorder(self) -> None:
        """Every key."""
        recorder = parse(
            "flight_recorder: {directory: /f, calls: 5, max_mb: 50, max_mb_per_call: 7,"
            " failed_only: true, sources: loopback, numbers: ['2001', '+49*'], rtp: headers}"
        ).flight_recorder
        numbers = (AddressPattern.parse("2001"), AddressPattern.parse("+49*"))
        self.assertEqual(
            recorder,
            FlightRecorder("/f", 5, 50, 7, True, ("loopback",), numbers, Payloads.HEADERS),
        )

    def test_mistakes(self) -> None:
        """All of them at once, with their lines and what is expected."""
        found = mistakes(
            "homer: {collector: homer, transport: sctp, node: 'a b'}\n"
            "flight_recorder:\n"
            "  calls: 0\n"
            "  rtp: some\n"
            "  numbers: ['~(a+)+']\n"
        )
        self.assertEqual(
            [line.split(" found ")[0] for line in sorted(found)],
            [
                "1: homer.collector:",
                "1: homer.node:",
                "1: homer.transport:",
                "3: flight_recorder.calls:",
                "4: flight_recorder.rtp:",
                "5: flight_recorder.numbers[0]:",
            ],
        )
        self.assertIn("one of udp, tcp", sorted(found)[2])

    def test_room(self) -> None:
        """All calls together have to have more room than one."""
        self.assertEqual(
            mistakes("flight_recorder: {max_mb: 20, max_mb_per_call: 20}"),
            ['1: flight_recorder.max_mb: found "20", expected more than max_mb_per_call (20)'],
        )

    def test_sources(self) -> None:
        """Sources are those of the configuration."""
        self.assertEqual(
            mistakes("flight_recorder: {sources: [sbc]}"),
            ['1: flight_recorder.sources: found "sbc", expected the names of sources (loopback)'],
        )
