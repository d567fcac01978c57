"""Dialects in the configuration: what they choose, and what they do not take."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config import ConfigurationError, parse
from twisted_siprec.dialects import DIALECTS, TERMS
from twisted_siprec.plan import Destination, Encoding, Layout

FRAME_MS = 'options.frame_ms: found "15", expected a whole number of milliseconds from 10 to 200'
INBOND = 'options.inbond: found an unknown option, expected a known one (did you mean "inbound"?)'


def read(keys: str) -> Destination:
    """One destination."""
    text = f"destinations: {{a: {{url: 'ws://a', {keys}}}}}"
    [only] = parse(text, "f", ".", {"KEY": "k"}).destinations
    return only


def mistakes(keys: str, url: str = "ws://a") -> list[str]:
    """The mistakes of one destination."""
    try:
        parse(f"destinations: {{a: {{url: '{url}', {keys}}}}}", "f", ".", {"KEY": "k"})
    except ConfigurationError as error:
        return [str(each).removeprefix("f:1: destinations.a.") for each in error.mistakes]
    return []


class ChosenTests(SynchronousTestCase):
    """Where the operator chose nothing, the dialect does."""

    def test_every_dialect(self) -> None:
        """Each has terms, and is configured by its name alone."""
        self.assertEqual(set(DIALECTS), set(TERMS))
        for protocol, terms in TERMS.items():
            one = read(f"protocol: {protocol}")
            self.assertEqual(one.layout, terms.layouts[0], protocol)
            self.assertIn(one.sample_rate, terms.rates_of(one.encoding), protocol)
            self.assertGreaterEqual(one.max_chunk_ms, one.chunk_ms, protocol)

    def test_literally(self) -> None:
        """Some of them."""
        twilio, hook, vosk = (read(f"protocol: {name}") for name in ("twilio", "audiohook", "vosk"))
        self.assertEqual(
            (twilio.layout, twilio.encoding, twilio.sample_rate, twilio.chunk_ms),
            (Layout.INTERLEAVED, Encoding.PCMU, 8000, 100),
        )
        self.assertEqual((hook.encoding, hook.chunk_ms), (Encoding.PCMU, 200))
        self.assertEqual((vosk.layout, vosk.encoding), (Layout.SEPARATE, Encoding.L16))
        self.assertIsNone(vosk.sample_rate)

    def test_rate_of_the_encoding(self) -> None:
        """G.711 has one rate; linear has the dialect's."""
        self.assertEqual(read("protocol: raw, encoding: PCMU").sample_rate, 8000)
        self.assertEqual(read("protocol: audiocodes").sample_rate, 16000)
        self.assertEqual(read("protocol: audiocodes, encoding: PCMU").sample_rate, 8000)
        self.assertEqual(read("protocol: wavix").sample_rate, 24000)
        self.assertEqual(
            read("protocol: asterisk, encoding: L16, sample_rate: 16000").sample_rate, 16000
        )

    def test_options(self) -> None:
        """In their order, as texts."""
        one = read("protocol: twilio, options: {inbound: callee, frame_ms: 40}")
        self.assertEqual(one.options, (("inbound", "callee"), ("frame_ms", "40")))

    def test_native(self) -> None:
        """Our own is what it was."""
        self.assertEqual(read("chunk_ms: 100"), Destination("a", "ws://a"))


class DocumentTests(SynchronousTestCase):
    """docs/dialects.rst."""

    def test_terms(self) -> None:
        """Its table is what the dialects say, and every option is named in it."""
        text = (Path(__file__).parent.parent / "docs" / "dialects.rst").read_text("utf-8")
        for protocol, terms in TERMS.items():
            rates = ["auto" if rate is None else str(rate) for rate in terms.rates]
            row = (
                f"{protocol:<12} {', '.join(each.value for each in terms.layouts):<32} "
                f"{', '.join(each.value for each in terms.encodings):<17} {', '.join(rates)}"
            )
            self.assertIn(f"\n{row}\n", text)
            for option in terms.options:
                self.assertRegex(text, rf"\b{option}\b", protocol)


class MistakesTests(SynchronousTestCase):
    """What does not go with a dialect is named before anything starts."""

    def test_protocol(self) -> None:
        """One that there is not."""
        [mistake] = mistakes("protocol: twillio")
        self.assertTrue(mistake.startswith('protocol: found "twillio", expected one of recstream,'))

    def test_terms(self) -> None:
        """Layout, encoding, rate and chunk, all at once."""
        self.assertEqual(
            mistakes(
                "protocol: assemblyai, layout: interleaved, encoding: PCMA, "
                "sample_rate: 24000, chunk_ms: 20"
            ),
            [
                'chunk_ms: found "20", expected from 50 to 1000 with protocol: assemblyai',
                'encoding: found "PCMA", expected L16 or PCMU with protocol: assemblyai',
                'layout: found "interleaved", expected separate or mono with protocol: assemblyai',
                'sample_rate: found "24000", expected 8000 with protocol: assemblyai',
            ],
        )

    def test_native_rate(self) -> None:
        """Our own protocol has any rate that is delivered at all; others have theirs."""
        for rate in (8000, 16000, 24000, 48000):
            self.assertEqual(read(f"sample_rate: {rate}").sample_rate, rate)
        self.assertEqual(
            mistakes("sample_rate: 44100"),
            ['sample_rate: found "44100", expected one of auto, 8000, 16000, 24000, 48000'],
        )
        self.assertEqual(
            mistakes("sample_rate: 48000, protocol: azure"),
            ['sample_rate: found "48000", expected 16000 or 24000 with protocol: azure'],
        )

    def test_options(self) -> None:
        """Unknown ones, wrong ones, and where there are none."""
        self.assertEqual(
            mistakes("protocol: twilio, options: {inbond: caller, frame_ms: 15, tracks: left}"),
            [
                FRAME_MS,
                INBOND,
                'options.tracks: found "left", expected one of both, inbound, outbound',
            ],
        )
        self.assertEqual(
            mistakes("options: {x: y}"),
            ["options.x: found an option, expected no options with protocol: recstream"],
        )
        self.assertEqual(
            mistakes("protocol: vonage, options: {x: y}"),
            ["options.x: found an option, expected no options with protocol: vonage"],
        )

    def test_signature(self) -> None:
        """A key for one that signs nothing."""
        self.assertEqual(mistakes("protocol: twilio, hmac: {environment: KEY}"), [])
        self.assertEqual(
            mistakes("protocol: vosk, hmac: {environment: KEY}"),
            ["hmac: found it with protocol: vosk, which signs nothing"],
        )

    def test_native_keys(self) -> None:
        """What only our own protocol knows."""
        self.assertEqual(
            mistakes("protocol: raw, framing: plain, include_xml: true"),
            [
                "framing: found it with protocol: raw, expected recstream with it",
                "include_xml: found it with protocol: raw, expected recstream with it",
            ],
        )

    def test_file(self) -> None:
        """Files speak no dialect."""
        self.assertEqual(
            mistakes("protocol: raw", "file:./x"),
            ["protocol: found it with a file: URL, expected ws: or wss: with it"],
        )
