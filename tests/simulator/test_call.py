from __future__ import annotations

import wave
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.python import usage
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.fakes import FakeReactor
from twisted_siprec.simulator.call import CallDisplay, percentile, sent_line, summary
from twisted_siprec.simulator.call import run as run_call
from twisted_siprec.simulator.call_options import Options, call_plan, mixed, settings
from twisted_siprec.simulator.client_plan import CallPlan, CallResult, StreamResult
from twisted_siprec.simulator.display import Display
from twisted_siprec.simulator.offer_metadata import Party
from twisted_siprec.simulator.outgoing import Impairment
from twisted_siprec.simulator.speech import Speech
from twisted_siprec.sip.events import Transport

URI = "sip:srs@192.0.2.9"


def parsed(*arguments: str) -> Options:
    """Options of a command line."""
    options = Options()
    options.parseOptions([*arguments])
    return options


def plan(*arguments: str) -> CallPlan:
    """The call that a command line asks for."""
    return call_plan(parsed(*arguments, URI))


class OptionsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """With an address alone, the bundled conversation is played once, by PCMU over UDP."""
        where, what = settings(parsed(URI)), plan()
        self.assertEqual((where.target.transport, where.target.port), (Transport.UDP, 5060))
        self.assertEqual(
            (len(what.streams), what.streams[0].codec, what.seconds), (2, "PCMU", 12.0)
        )
        self.assertEqual([each.name for each in what.parties], ["Ann Caller", "Bob Callee"])

    def test_transport(self) -> None:
        """TLS with our own certificate and an authority, and no verification if asked."""
        where = settings(
            parsed(
                *("--transport", "tls", "--ca", "ca.pem", "--certificate", "c.pem"),
                *("--key", "k.pem", "--insecure", "--local", "192.0.2.1", URI),
            )
        )
        self.assertEqual((where.target.transport, where.target.port), (Transport.TLS, 5061))
        self.assertEqual(
            (where.tls.authorities, where.tls.certificate, where.tls.key, where.tls.verify),
            ("ca.pem", "c.pem", "k.pem", False),
        )
        self.assertEqual(where.local, "192.0.2.1")

    def test_call(self) -> None:
        """What happens in the call comes from the options."""
        what = plan(
            *("--from", "5550100", "--to", "bob@example.org", "--header", "X-A: b", "--rtcp"),
            *("--hold-at", "1", "--hold-for", "3", "--dtmf", "1a#", "--seed", "7", "-d", "5"),
            *("--loss", "1", "--reorder", "2", "--duplicate", "3", "--codec", "g722"),
        )
        self.assertEqual(
            what.parties,
            (
                Party("sip:5550100@example.com", "Ann Caller"),
                Party("sip:bob@example.org", "Bob Callee"),
            ),
        )
        self.assertEqual(what.headers, (("X-A", "b"),))
        self.assertEqual((what.hold_at_s, what.hold_for_s, what.duration_s), (1.0, 3.0, 5.0))
        self.assertEqual((what.digits, what.seed, what.reports), ("1a#", 7, True))
        self.assertEqual(what.impairment, Impairment(0.01, 0.02, 0.03))
        self.assertEqual(what.streams[0].codec, "G722")

    def test_mistakes(self) -> None:
        """What cannot be is told in words."""
        for arguments, words in (
            (("--codec", "SPEEX", URI), "SPEEX"),
            (("--streams", "99", URI), "99"),
            (("--loss", "101", URI), "101"),
            (("--dtmf", "x", URI), "--dtmf x"),
            (("--header", "nonsense", URI), "--header nonsense"),
            (("--tone", URI, "a.wav"), "--tone"),
            (("--packet-ms", "25", URI), "25: multiples of 10"),
            (("--no-metadata", "--metadata", "x.xml", URI), "--no-metadata"),
            (("--key", "k.pem", URI), "--key"),
            (("--user", "sbc", URI), "--user and --password-file"),
            (("--password-file", "x", URI), "--user and --password-file"),
            (("--user", "sbc", "--password-file", "/nonexistent", URI), "/nonexistent"),
            (("sip:a b",), "is no SIP URI"),
            ((), "Wrong number of arguments"),
        ):
            error = self.assertRaises(usage.UsageError, parsed, *arguments)
            self.assertIn(words, str(error))

    def test_any_order(self) -> None:
        """Options may come before, after and between the address and the files."""
        options = parsed("-n", "3", URI, "--tone", "--dtmf", "", "--duration=2", "-q")
        self.assertEqual((options["calls"], options["tone"], options["quiet"]), (3, 1, 1))
        self.assertEqual((options["dtmf"], options["duration"], options.uri), ("", 2.0, URI))

    def test_unreadable(self) -> None:
        """Files that cannot be read are told before anything is sent."""
        options = parsed(URI, "/nonexistent.wav")
        self.assertIn(
            "/nonexistent.wav", str(self.assertRaises(usage.UsageError, call_plan, options))
        )
        options = parsed("--metadata", "/nonexistent.xml", URI)
        self.assertIn(
            "/nonexistent.xml", str(self.assertRaises(usage.UsageError, call_plan, options))
        )

    def test_credentials(self) -> None:
        """The secret comes from a file, without the line end that editors add."""
        path = Path(self.mktemp())
        path.write_text("a secret \n")
        where = settings(parsed("--user", "sbc", "--password-file", str(path), URI))
        self.assertEqual(where.credentials, ("sbc", "a secret "))
        self.assertNotIn("a secret", repr(where))
        self.assertIsNone(settings(parsed(URI)).credentials)

    def test_metadata(self) -> None:
        """A metadata file is sent as it is, or none at all."""
        path = Path(self.mktemp())
        path.write_bytes(b"<mine/>")
        self.assertEqual(plan("--metadata", str(path)).metadata, b"<mine/>")
        self.assertFalse(plan("--no-metadata").described)


class StreamsTests(SynchronousTestCase):
    def wav(self, samples: list[int], seconds: float = 1.0) -> str:
        """A file at 8 kHz that begins with these samples."""
        path = self.mktemp()
        padded = np.zeros(round(seconds * 8000), "<i2")
        padded[: len(samples)] = samples
        with wave.open(path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(padded.tobytes())
        return path

    def test_files(self) -> None:
        """Each file is a stream; the shorter one has silence at its end."""
        made = call_plan(parsed(URI, self.wav([1], 1.0), self.wav([2], 2.0)))
        self.assertEqual([len(each.payloads) for each in made.streams], [100, 100])

    def test_one_stream(self) -> None:
        """One stream is the mix of all that is said."""
        one = mixed([Speech(np.array([1, 30_000], np.int16), 8000)] * 2)
        self.assertEqual(one.samples.tolist(), [2, 32_767])
        self.assertEqual(len(plan("--streams", "1").streams), 1)

    def test_more_streams(self) -> None:
        """More streams than voices say it again, for parties with names of their own."""
        made = plan("--streams", "3")
        self.assertEqual((len(made.streams), made.parties[2].aor), (3, "sip:party3@example.com"))
        self.assertIs(made.streams[0], made.streams[2])

    def test_formats(self) -> None:
        """Formats by turns, packets of several lengths, comfort noise in place of silence."""
        made = plan(
            *("--codec", "PCMA", "--codec", "g722", "--turn", "0.5"),
            *("--packet-ms", "10,30", "--noise"),
        )
        (speech, _) = made.streams
        self.assertEqual([each.name for each in speech.formats], ["PCMA", "G722", "CN"])
        self.assertEqual((speech.packet_ms, speech.packet_s), (10, 0.01))
        self.assertLess({8, 13}, set(speech.types.tolist()))

    def test_unfit(self) -> None:
        """What cannot be sent is told as other mistakes are."""
        for arguments, words in (
            (("--codec", "AMR", "--packet-ms", "30"), "AMR has frames"),
            (("--codec", "PCMU", "--codec", "OPUS"), "one RTP clock"),
        ):
            error = self.assertRaises(usage.UsageError, plan, *arguments)
            self.assertIn(words, str(error))

    def test_tones(self) -> None:
        """Tones last as long as the call, or 10 s over and over."""
        self.assertEqual(plan("--tone").seconds, 10.0)
        made = plan("--tone", "--streams", "4", "-d", "3")
        self.assertEqual((len(made.streams), len(made.streams[0].payloads)), (4, 150))


def result(error: str | None, answer_s: float | None) -> CallResult:
    """What came of a call."""
    return CallResult(
        "c", error, 200, answer_s, 2.0, (StreamResult("1", ("192.0.2.9", 20000), 100, 16000, 1),)
    )


class SummaryTests(SynchronousTestCase):
    def test_many(self) -> None:
        """Answer times, packets and the commonest errors of many calls."""
        results = [result(None, 0.001 * number) for number in range(1, 100)]
        results += [result("refused", None), result("late", 0.5), result("refused", 0.2)]
        self.assertEqual(
            summary(results, 0.0123),
            [
                "102 calls: 99 well, 3 not",
                "answered in p50 51.0 ms, p99 200.0 ms, max 500.0 ms",
                "10200 packets sent, 102 refused by the network, at most 12 ms late",
                "2 × refused",
                "1 × late",
            ],
        )

    def test_none_answered(self) -> None:
        """Without any 200 there are no answer times."""
        refused = replace(result("refused", 0.3), status=488)
        self.assertEqual(len(summary([result("silence", None), refused], 0.0)), 4)

    def test_percentile(self) -> None:
        """The percentile is a value that was measured."""
        self.assertEqual(percentile([1.0, 2.0, 3.0, 4.0], 0.5), 2.0)
        self.assertEqual(percentile([1.0, 2.0, 3.0, 4.0], 0.99), 4.0)
        self.assertEqual(percentile([1.0], 0.0), 1.0)

    def test_one(self) -> None:
        """One call is told with what was sent."""
        self.assertEqual(
            sent_line(result(None, 0.001)),
            "2.0 s sent: 100 packets, 16000 octets of audio; 1 packets that nobody took; ended",
        )


class CallDisplayTests(SynchronousTestCase):
    def lines(self, *arguments: str) -> list[str]:
        """What is shown of a call that goes through everything."""
        stream = StringIO()
        options = parsed(*arguments, URI)
        shown = CallDisplay(Display(stream), options, settings(options))
        good = result(None, 0.001)
        shown.traced(True, b"OPTIONS sip:srs@192.0.2.9 SIP/2.0\r\n\r\n", ("192.0.2.9", 5060))
        shown.waiting("c", 3.0)
        shown.waiting("c", 3.0)
        shown.answered("c", 0.0012, (*good.streams, StreamResult("2", None)))
        shown.held("c", True)
        shown.held("c", False)
        shown.ended(good)
        shown.ended(result("refused", None))
        return stream.getvalue().splitlines()

    def test_single(self) -> None:
        """One call is told step by step."""
        lines = self.lines()
        self.assertIn("no answer from UDP 192.0.2.9:5060", lines[0])
        self.assertEqual(
            lines[1:4],
            ["answered in 1.2 ms: 1 → 192.0.2.9:20000, 2 → (inactive)", "on hold", "resumed"],
        )
        self.assertEqual((len(lines), lines[-1]), (6, "refused"))

    def test_many(self) -> None:
        """Of many calls only the errors are told one by one."""
        self.assertEqual(self.lines("--calls", "2")[1:], ["c: refused"])

    def test_many_errors(self) -> None:
        """Not all errors are told one by one; the summary counts them."""
        stream = StringIO()
        options = parsed("--calls", "99", URI)
        shown = CallDisplay(Display(stream), options, settings(options))
        for _ in range(99):
            shown.ended(result("refused", None))
        self.assertEqual(stream.getvalue().splitlines(), ["c: refused"] * 5)

    def test_quiet(self) -> None:
        """If asked to be quiet, there are errors only."""
        self.assertEqual(self.lines("--quiet"), ["refused"])

    def test_trace(self) -> None:
        """A trace has the messages."""
        self.assertEqual(self.lines("--trace")[0], "SRC ──▶ SRS  OPTIONS sip:srs@192.0.2.9")


class RunTests(SynchronousTestCase):
    def test_exit_code(self) -> None:
        """A call that is refused gives 1, and says why."""
        reactor, stream = FakeReactor(), StringIO()
        options = parsed("--transport", "tcp", "-n", "2", URI)
        coroutine = run_call(reactor, options, call_plan(options), Display(stream))
        running = Deferred.fromCoroutine(coroutine)
        for attempt in range(2):
            reactor.advance(0.2)
            factory = reactor.tcpClients[attempt][2]
            factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
            reactor.advance(1)
        self.assertEqual(self.successResultOf(running), 1)
        text = stream.getvalue()
        self.assertIn("2 calls, 10 a second, to sip:srs@192.0.2.9 over TCP: 2 × PCMU, 12.0 s", text)
        self.assertIn("no TCP connection to 192.0.2.9:5060", text)
        self.assertIn("2 calls: 0 well, 2 not", text)
