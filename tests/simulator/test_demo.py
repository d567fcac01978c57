from __future__ import annotations

import wave
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
from twisted.logger import LogLevel
from twisted.python import usage
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import Codec, Layout
from twisted_siprec.simulator.client_plan import CallResult, StreamResult
from twisted_siprec.simulator.consumer import Finish
from twisted_siprec.simulator.demo import tell
from twisted_siprec.simulator.demo_options import Options, configuration, sending
from twisted_siprec.simulator.demo_proof import Outcome, channels_of, judged, lost, samples_of
from twisted_siprec.simulator.demo_view import DemoView, describe, levels_dbfs
from twisted_siprec.simulator.display import Display
from twisted_siprec.simulator.sending import EncodedSpeech, Sending, encode
from twisted_siprec.simulator.speech import Speech
from twisted_siprec.simulator.stream_record import Heard, StreamRecord, Text
from twisted_siprec.sip.events import Transport

GOOD_CALL = CallResult("c", None, 200, 0.001, 0.1, (StreamResult("1", None, 5, 800),))


def parsed(*arguments: str) -> Options:
    """Options of a command line."""
    options = Options()
    options.parseOptions([*arguments])
    return options


def record(layout: str, indexes: tuple[int, ...], position: int, rate: int = 8000) -> StreamRecord:
    """What a consumer has of a stream with these channels."""
    made = StreamRecord("s")
    made.start = {
        "media": {
            "layout": layout,
            "sampleRate": rate,
            "encoding": "L16",
            "channels": len(indexes),
        },
        "channels": [{"index": index, "role": "caller"} for index in indexes],
    }
    made.position = position
    return made


class OptionsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        """A framed consumer, interleaved channels, UDP on loopback and a port that is free."""
        made = configuration(parsed(), "ws://127.0.0.1:1/", None)
        (listener,), (destination,) = made.sip.listeners, made.destinations
        self.assertEqual(
            (listener.transport, listener.address, listener.port), (Transport.UDP, "127.0.0.1", 0)
        )
        self.assertEqual(
            (destination.url, destination.framing, destination.layout),
            ("ws://127.0.0.1:1/", "framed", Layout.INTERLEAVED),
        )
        self.assertEqual((made.media.jitter_ms, made.default_destinations), (200, (destination,)))

    def test_audio(self) -> None:
        """Codec, packets and rate are what was asked for."""
        options = parsed("--codec", "amr:octet-align=1", "--packet-ms", "20,40", "--rate", "48000")
        self.assertEqual(
            sending(options), Sending((Codec(103, "AMR", 8000, 1, "octet-align=1"),), (20, 40))
        )
        made = configuration(options, "ws://x/", None, 48000)
        self.assertEqual(made.destinations[0].sample_rate, 48000)
        self.assertEqual(options["rate"], 48000)

    def test_tls(self) -> None:
        """TLS has the certificate that was made for it."""
        options = parsed("--transport", "tls", "--layout", "MONO", "--framing", "plain")
        made = configuration(options, "ws://x/", (Path("c.pem"), Path("k.pem")))
        tls = made.sip.listeners[0].tls
        assert tls is not None
        self.assertEqual((tls.certificate, tls.key), ("c.pem", "k.pem"))
        self.assertEqual(made.destinations[0].layout, Layout.MONO)

    def test_mistakes(self) -> None:
        """What cannot be is told."""
        for arguments in (
            ("--codec", "SPEEX"),
            ("--rate", "44100"),
            ("--rate", "8000", "--layout", "mono"),
            ("--packet-ms", "15"),
            ("--layout", "quad"),
            ("--fault", "--framing", "plain"),
            ("surplus",),
        ):
            self.assertRaises(usage.UsageError, parsed, *arguments)


class ProofTestCase(SynchronousTestCase):
    def wav(self, *columns: list[int]) -> Path:
        """A file with these channels."""
        path = Path(self.mktemp())
        with wave.open(str(path), "wb") as file:
            file.setnchannels(len(columns))
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(np.array(columns, dtype="<i2").T.tobytes())
        return path


class FilesTests(ProofTestCase):
    def test_samples(self) -> None:
        """Silence at the end that is in no file is there all the same."""
        samples = samples_of(self.wav([1, 2], [3, 4]), record("interleaved", (0, 1), 4))
        self.assertEqual(samples.tolist(), [[1, 3], [2, 4], [0, 0], [0, 0]])

    def test_channels(self) -> None:
        """Channels that come apart are put in order; a mono file is everybody's."""
        finish = Finish(
            "r",
            [record("separate", (1,), 2), record("separate", (0,), 2)],
            [self.wav([2, 2]), self.wav([1, 1]), self.wav([1, 1], [2, 2])],
        )
        self.assertEqual(
            [(name, one.tolist()) for name, one in channels_of(finish)],
            [("caller", [1, 1]), ("caller", [2, 2])],
        )
        mono = Finish("r", [record("mono", (0,), 1)], [self.wav([9])])
        self.assertEqual([(name, one.tolist()) for name, one in channels_of(mono)], [("both", [9])])


class JudgedTests(ProofTestCase):
    def setUp(self) -> None:
        generator = np.random.default_rng(1)
        self.said = [generator.integers(-9000, 9000, 800).astype(np.int16) for _ in range(2)]
        self.streams = [self.l16(samples) for samples in self.said]

    def l16(self, samples: np.ndarray) -> EncodedSpeech:
        """A stream whose codec changes nothing."""
        encoded = encode(Speech(samples, 16000), Sending.of("L16"))
        assert np.array_equal(encoded.source.samples[:800], samples)
        return encoded

    def finish(
        self, *columns: np.ndarray, layout: str = "interleaved", rate: int = 16000
    ) -> Finish:
        """What the consumer has."""
        padded = [np.concatenate((column, np.zeros(160, np.int16))).tolist() for column in columns]
        made = record(layout, tuple(range(len(columns))), 960, rate)
        return Finish("r", [made], [self.wav(*padded)])

    def judge(
        self,
        finish: Finish,
        gaps: list[Text] | None = None,
        broken: bool = False,
        rate: int = 16000,
    ) -> Outcome:
        """The outcome."""
        return judged(GOOD_CALL, finish, self.streams, gaps or [], rate=rate, broken=broken)

    def test_equal(self) -> None:
        """Both channels are what was said."""
        outcome = self.judge(self.finish(*self.said))
        self.assertTrue(outcome.ok, outcome)
        self.assertEqual([each.samples for each in outcome.comparisons], [960, 960])

    def test_exchanged(self) -> None:
        """Caller and callee in each other's place are not what was said."""
        self.assertFalse(self.judge(self.finish(*self.said[::-1])).ok)

    def test_mono(self) -> None:
        """A mono file is the sum of both."""
        both = self.said[0] + self.said[1]
        self.assertTrue(self.judge(self.finish(both, layout="mono")).ok)
        self.assertFalse(self.judge(self.finish(self.said[0], layout="mono")).ok)

    def test_channel_missing(self) -> None:
        """One channel of two is told."""
        outcome = self.judge(self.finish(self.said[0]))
        self.assertEqual(outcome.faults, ("2 streams were sent, 1 channels came",))
        self.assertFalse(outcome.ok)

    def test_other_rate(self) -> None:
        """Audio at another rate than was asked for is not compared, and that is a fault."""
        outcome = self.judge(self.finish(*self.said, rate=8000))
        self.assertEqual(outcome.faults, ("delivered at {8000} Hz, not at 16000 Hz",))

    def test_wanted_rate(self) -> None:
        """At another rate that was asked for, it must be alike in the band that both have."""
        times = np.arange(800) / 16000
        said = [(9000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16) for hertz in (300, 500)]
        self.streams = [self.l16(samples) for samples in said]
        wide = [Speech(stream.heard(), 16000).at(24000).samples for stream in self.streams]
        outcome = self.judge(self.finish(*wide, rate=24000), rate=24000)
        self.assertTrue(outcome.ok, outcome)
        self.assertIn("All of it arrived, at another rate.", self.told(outcome)[-1])
        self.assertFalse(self.judge(self.finish(*wide[::-1], rate=24000), rate=24000).ok)

    def test_violation(self) -> None:
        """What the consumer found against the protocol counts."""
        finish = self.finish(*self.said)
        finish.records[0].violated("nonsense")
        self.assertEqual(self.judge(finish).faults, ("stream s: nonsense",))

    def test_gaps(self) -> None:
        """A gap because nobody sent is no fault; one that lost something is."""
        harmless = {"reason": "no_packets", "filled": "silence", "pos": 0, "samples": 9}
        gap = {"reason": "rtp_loss", "filled": "silence", "pos": 8, "samples": 160}
        jump = {**harmless, "filled": "none"}
        self.assertEqual(
            lost([harmless, gap, jump]),
            ["a gap of 160 samples at 8: rtp_loss", "a gap of 9 samples at 0: no_packets"],
        )
        self.assertFalse(self.judge(self.finish(*self.said), [gap]).ok)

    def test_not_broken(self) -> None:
        """Where the consumer was killed, the server must have come back to it."""
        finish = self.finish(*self.said)
        self.assertFalse(self.judge(finish, broken=True).ok)
        finish.records[0].connections = 2
        self.assertTrue(self.judge(finish, broken=True).ok)

    def test_bad_call(self) -> None:
        """A call that did not end well is not good, whatever arrived."""
        outcome = self.judge(self.finish(*self.said))
        self.assertFalse(replace(outcome, call=replace(GOOD_CALL, error="BYE: 500")).ok)

    def told(self, outcome: Outcome) -> list[str]:
        """The words."""
        stream = StringIO()
        tell(outcome, Display(stream))
        return stream.getvalue().splitlines()

    def test_words(self) -> None:
        """The end tells what was equal and where the files are."""
        finish = self.finish(*self.said)
        events = finish.files[0].with_suffix(".jsonl")
        events.write_text("")
        self.assertEqual(
            self.told(self.judge(finish)),
            [
                "",
                "0.1 s sent: 5 packets, 800 octets of audio; ended",
                "caller: all 960 samples equal, from position 0",
                "caller: all 960 samples equal, from position 0",
                f"audio:  {finish.files[0]}",
                f"events: {events}",
                "Every sample arrived.",
            ],
        )

    def test_bad_words(self) -> None:
        """Or what was not."""
        lines = self.told(self.judge(self.finish(self.said[0], self.said[1] + 1)))
        self.assertIn("960 of 960 samples differ", lines[3].replace("800 of", "960 of"))
        self.assertEqual(lines[-1], "What arrived is not what was sent.")


class ViewTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = StringIO()
        self.view = DemoView(Display(self.stream))
        self.record = record("interleaved", (0, 1), 0)
        self.record.start["channels"][1]["role"] = "callee"

    def lines(self) -> list[str]:
        """What was shown."""
        return self.stream.getvalue().splitlines()

    def test_heard(self) -> None:
        """In a pipe the levels are told every two seconds."""
        loud = np.tile(np.array([16384, 0], "<i2"), 16_000).tobytes()
        self.view.heard(self.record, Heard(0, 16_000, loud))
        self.view.heard(self.record, Heard(16_000, 800, None))
        self.view.heard(self.record, Heard(16_800, 15_200, None))
        self.assertEqual(
            self.lines(),
            [
                "2.0 s delivered: caller -6 dBFS, callee silent",
                "4.0 s delivered: caller silent, callee silent",
            ],
        )
        self.assertEqual(self.view.seconds, 4.0)

    def test_levels(self) -> None:
        """Full scale is 0 dBFS, silence is nothing."""
        full = np.full(4, -32768, "<i2").tobytes()
        self.assertEqual(levels_dbfs(full, 1), [0.0])
        self.assertEqual(levels_dbfs(None, 2), [float("-inf")] * 2)
        self.assertEqual(levels_dbfs(bytes(8), 2), [float("-inf")] * 2)

    def test_call(self) -> None:
        """The messages, the streams and the errors of the call."""
        self.view.traced(True, b"BYE sip:srs@192.0.2.9 SIP/2.0\r\n\r\n", ("192.0.2.9", 5060))
        self.view.answered(
            "c", 0.0123, (StreamResult("1", ("192.0.2.9", 20000)), StreamResult("2", None))
        )
        self.view.held("c", True)
        self.view.waiting("c", 3.0)
        self.view.ended(GOOD_CALL)
        self.view.ended(replace(GOOD_CALL, error="refused"))
        self.assertEqual(
            self.lines(),
            [
                "SRC ──▶ SRS  BYE sip:srs@192.0.2.9",
                "SRC ══▶ SRS  RTP of stream 1 to 192.0.2.9:20000",
                "answered in 12.3 ms",
                "the server has not answered for 3 s",
                "refused",
            ],
        )

    def test_told(self) -> None:
        """What the consumer is told that is of interest."""
        start = {
            "media": {
                "encoding": "L16",
                "sampleRate": 8000,
                "channels": 2,
                "layout": "interleaved",
            },
            "siprec": {"participants": [{"name": "Ann", "aor": "sip:a@x"}, {"aor": "sip:b@x"}]},
        }
        self.view.told(self.record, {"type": "start", "data": start})
        self.view.told(self.record, {"type": "sync", "data": {}})
        self.assertEqual(
            self.lines(),
            [
                (
                    "SRS ──▶ consumer  start: L16 8000 Hz, 2 × interleaved; "
                    "Ann <sip:a@x> and ? <sip:b@x>"
                )
            ],
        )

    def test_words(self) -> None:
        """Every kind of text that is shown has words."""
        for kind, body, words in (
            (
                "resume",
                {"attempt": 2, "firstAvailableFrame": 7},
                "resume: attempt 2, from frame 7 on",
            ),
            ("gap", {"samples": 8, "pos": 16, "reason": "late"}, "gap: 8 samples at 16, late"),
            ("metadata", {"revision": 2}, "metadata: revision 2"),
            ("participant", {"participantId": "p", "event": "left"}, "participant p left"),
            ("dtmf", {"digit": "5"}, "key 5"),
            ("error", {"code": "c", "message": "m"}, "error c: m"),
            (
                "stop",
                {"reason": "call_ended", "finalPos": 8, "frames": 1, "reconnects": 0},
                "stop: call_ended, 8 samples, 1 frames, 0 reconnections",
            ),
        ):
            self.assertEqual(describe({"type": kind, "data": body}), words)

    def test_log(self) -> None:
        """Warnings of the server and all errors are shown, with their tracebacks."""
        for level, namespace, text in (
            (LogLevel.info, "twisted_siprec.x", "not shown"),
            (LogLevel.warn, "txaio", "nor this"),
            (LogLevel.warn, "twisted_siprec.x", "a warning"),
            (LogLevel.error, "txaio", "an error"),
        ):
            self.view.logged({"log_level": level, "log_namespace": namespace, "log_format": text})
        self.assertEqual(self.lines(), ["server: a warning", "server: an error"])
        self.view.logged(
            {
                "log_level": LogLevel.critical,
                "log_namespace": "x",
                "log_format": "a fault",
                "log_failure": Failure(ValueError("nine")),
            }
        )
        self.assertIn("ValueError: nine", self.stream.getvalue())
