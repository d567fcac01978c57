"""
The command line of ``siprec-call``, and the calls that it asks for.
"""

from __future__ import annotations

import getopt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.python import usage

from .. import __version__
from ..plan import ClientTLS, Codec
from ..sip.events import Transport
from .client_plan import CONVERSATION, CallPlan, ClientSettings
from .dtls_port import DTLS
from .offer_metadata import Party
from .outgoing import Impairment
from .secure_port import SUITES
from .sending import NAMES, EncodedSpeech, Sending, encode, format_named
from .speech import Speech, SpeechError, bundled, read
from .tones import KEYS, tone
from .wire import Target

MAX_STREAMS = 16
MAX_CALLS = 100_000

_TONES_HZ = (440.0, 1000.0, 620.0, 1350.0)
"Of the streams in order, over and over."
_TONE_S = 10.0


def _number(least: float, most: float) -> Any:
    def parse(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError(f"{text} is not between {least:g} and {most:g}")
        return value

    return parse


def _count(least: int, most: int) -> Any:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError(f"{text} is not between {least} and {most}")
        return value

    return parse


def lengths(least: int, most: int) -> Any:
    """Lengths of packets in milliseconds, one or more."""
    one = _count(least, most)

    def parse(text: str) -> tuple[int, ...]:
        several = tuple(one(word) for word in text.split(","))
        if any(length % 10 for length in several):
            raise ValueError(f"{text}: multiples of 10 are needed")
        return several

    return parse


def one_of(*names: str) -> Any:
    """One of these words, in any case."""

    def parse(text: str) -> str:
        for name in names:
            if text.upper() == name.upper():
                return name
        raise ValueError(f"{text} is none of {', '.join(names)}")

    return parse


class Options(usage.Options):
    """What to call, what to say, and how."""

    synopsis = "Usage: siprec-call [options] sip:srs@HOST:PORT [CALLER.wav [CALLEE.wav …]]"
    longdesc = (
        "Makes a recording session (SIPREC) with the recording server at this address and "
        "plays speech into it, in real time. Without files, a short conversation that comes "
        "with the package is played. Exits with 0 if all calls were answered and ended well."
    )

    optFlags = [
        ["insecure", None, "Do not verify the server's certificate (for trials only)."],
        ["tone", None, "Send sine tones instead of speech."],
        ["noise", None, "Send no silence but comfort noise (RFC 3389), once in a while."],
        ["rtcp", None, "Send RTCP sender reports."],
        ["no-metadata", None, "Send no metadata, only SDP."],
        ["trace", None, "Print the SIP messages as they are sent and received."],
        ["quiet", "q", "Print errors only."],
    ]
    optParameters = [
        [
            "transport",
            None,
            None,
            "udp, tcp or tls; else as the URI says.",
            one_of(*Transport.__members__),
        ],
        ["local", None, "", "The local IP address to call and to send from."],
        ["ca", None, None, "Authorities to trust instead of the system's (a PEM file)."],
        ["certificate", None, None, "Our certificate for TLS (a PEM file)."],
        ["key", None, None, "Its private key, where it is in a file of its own."],
        ["user", None, None, "Authenticate as this user, where the server asks for it."],
        ["password-file", None, None, "The file with the user's secret."],
        [
            "srtp",
            None,
            None,
            f"Protect RTP: DTLS, or by a key in the SDP: {', '.join(SUITES)}.",
            one_of(DTLS, *SUITES),
        ],
        ["turn", None, 2.0, "Seconds that each --codec is sent for.", _number(0.02, 86_400)],
        [
            "packet-ms",
            None,
            (20,),
            "Milliseconds of audio in a packet, or several, by turns: 10,20,60.",
            lengths(10, 60),
        ],
        [
            "streams",
            None,
            None,
            "1 for a mixed stream, 2 for one each, or more.",
            _count(1, MAX_STREAMS),
        ],
        ["duration", "d", None, "Seconds to play, over and over; else once.", _number(0.1, 86_400)],
        ["calls", "n", 1, "How many calls to make.", _count(1, MAX_CALLS)],
        ["rate", "r", 10.0, "Calls begun per second.", _number(0.001, 1000)],
        ["from", None, CONVERSATION[0].aor, "The caller: a SIP URI or a number."],
        ["to", None, CONVERSATION[1].aor, "The callee: a SIP URI or a number."],
        ["metadata", None, None, "Send this rs-metadata document; its labels are 1, 2, …."],
        ["hold-at", None, None, "Put the call on hold after so many seconds.", _number(0, 86_400)],
        ["hold-for", None, 2.0, "For so many seconds.", _number(0, 86_400)],
        ["dtmf", None, "", "Press these keys on the first stream after 1 s."],
        ["loss", None, 0.0, "Percent of the RTP packets that are lost.", _number(0, 100)],
        ["reorder", None, 0.0, "Percent that come after the one that follows.", _number(0, 100)],
        ["duplicate", None, 0.0, "Percent that come twice.", _number(0, 100)],
        ["seed", None, None, "For the same losses each time.", int],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no annotations here
        self.headers: list[tuple[str, str]] = []
        self.formats: list[Codec] = []
        self.target: Target | None = None
        self.files: tuple[Path, ...] = ()
        self.credentials: tuple[str, str] | None = None

    def opt_codec(self, text: str) -> None:
        try:
            self.formats.append(format_named(text))
        except ValueError as error:
            raise usage.UsageError(f"--codec: {error}") from error

    opt_codec.__doc__ = (
        f"{', '.join(NAMES)}; else PCMU. With /RATE, and with :PARAMETERS as in "
        "AMR:octet-align=1. Given again, the formats are sent by turns."
    )

    def opt_header(self, text: str) -> None:
        """Add a header field to the INVITE, as NAME:VALUE. It may be given again."""
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise usage.UsageError(f"--header {text}: NAME:VALUE is needed")
        self.headers.append((name.strip(), value.strip()))

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"siprec-call (twisted_siprec) {__version__}")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Options may stand before, after and between the address and the files."""
        words = sys.argv[1:] if options is None else list(options)
        try:
            given, arguments = getopt.gnu_getopt(words, self.shortOpt, self.longOpt)
        except getopt.error as error:
            raise usage.UsageError(str(error)) from None
        flat = [
            f"{name}={value}" if f"{name[2:]}=" in self.longOpt else f"{name}{value}"
            for name, value in given
        ]
        super().parseOptions([*flat, "--", *arguments])  # type: ignore[no-untyped-call]  # the same

    def parseArgs(self, uri: str, *files: str) -> None:  # type: ignore[override]  # Twisted reads the arguments' names
        """The address to call, and the files to play."""
        self.uri = uri
        self.files = tuple(Path(file) for file in files)

    def postOptions(self) -> None:
        """Check what belongs together."""
        transport = self["transport"]
        try:
            self.target = Target.parse(self.uri, Transport(transport) if transport else None)
        except ValueError as error:
            raise usage.UsageError(str(error)) from error
        if not set(self["dtmf"].upper()) <= set(KEYS):
            raise usage.UsageError(f"--dtmf {self['dtmf']}: only {KEYS} are keys")
        if self["tone"] and self.files:
            raise usage.UsageError("--tone and WAV files do not go together")
        if self["no-metadata"] and self["metadata"]:
            raise usage.UsageError("--metadata and --no-metadata do not go together")
        if self["key"] and not self["certificate"]:
            raise usage.UsageError("--key without --certificate")
        if (self["user"] is None) != (self["password-file"] is None):
            raise usage.UsageError("--user and --password-file go together")
        self.credentials = _credentials(self)


def settings(options: Options) -> ClientSettings:
    """Where to call."""
    if options.target is None:
        raise usage.UsageError("an address to call is needed")
    return ClientSettings(
        options.target,
        tls=ClientTLS(
            verify=not options["insecure"],
            authorities=options["ca"],
            certificate=options["certificate"],
            key=options["key"],
        ),
        local=options["local"],
        credentials=options.credentials,
    )


def _credentials(options: Options) -> tuple[str, str] | None:
    if options["user"] is None:
        return None
    try:
        secret = Path(options["password-file"]).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise usage.UsageError(f"--password-file: {error}") from error
    return options["user"], secret


def call_plan(options: Options) -> CallPlan:
    """
    The call to make, its speech encoded.

    Raises UsageError.
    """
    try:
        speech = _speech(options)
        metadata = Path(options["metadata"]).read_bytes() if options["metadata"] else None
        streams = _streams(options, speech)
    except (SpeechError, OSError) as error:
        raise usage.UsageError(str(error)) from error
    caller, called = _aor(options["from"]), _aor(options["to"])
    parties = [Party(caller, CONVERSATION[0].name), Party(called, CONVERSATION[1].name)]
    for number in range(len(parties) + 1, len(streams) + 1):
        parties.append(Party(f"sip:party{number}@example.com", f"Party {number}"))
    return CallPlan(
        streams,
        tuple(parties),
        caller=caller,
        duration_s=options["duration"],
        described=not options["no-metadata"],
        metadata=metadata,
        headers=tuple(options.headers),
        hold_at_s=options["hold-at"],
        hold_for_s=options["hold-for"],
        impairment=Impairment(
            options["loss"] / 100, options["reorder"] / 100, options["duplicate"] / 100
        ),
        seed=options["seed"],
        digits=options["dtmf"],
        reports=bool(options["rtcp"]),
        srtp=options["srtp"],
    )


def _speech(options: Options) -> list[Speech]:
    if options["tone"]:
        count = options["streams"] or 2
        seconds = min(options["duration"] or _TONE_S, _TONE_S)
        return [tone(_TONES_HZ[index % len(_TONES_HZ)], seconds) for index in range(count)]
    return [read(file) for file in options.files or bundled()]


def _streams(options: Options, speech: list[Speech]) -> tuple[EncodedSpeech, ...]:
    """
    As many streams as were asked for, all as long as the longest. One stream
    is the mix of all that is said; more streams than voices say it again.
    """
    seconds = max(one.seconds for one in speech)
    speech = [one.lasting(seconds) for one in speech]
    count = options["streams"] or len(speech)
    if count > MAX_STREAMS:
        raise usage.UsageError(f"{count} streams; at most {MAX_STREAMS} fit in a call")
    if count == 1 and len(speech) > 1:
        speech = [mixed(speech)]
    formats = tuple(options.formats) or (format_named("PCMU"),)
    sending = Sending(formats, options["packet-ms"], options["turn"], bool(options["noise"]))
    encoded = [encode(one, sending) for one in speech[:count]]
    return tuple(encoded[index % len(encoded)] for index in range(count))


def mixed(speech: list[Speech]) -> Speech:
    """All of it at once."""
    rate = max(one.rate for one in speech)
    voices = [one.at(rate).samples for one in speech]
    length = min(len(voice) for voice in voices)
    total = sum((voice[:length].astype("int32") for voice in voices[1:]), voices[0][:length])
    return Speech(total.clip(-32768, 32767).astype("int16"), rate)


def _aor(text: str) -> str:
    """An address of record of what was typed: a URI, user@host, or a number."""
    if ":" in text:
        return text
    return f"sip:{text}" if "@" in text else f"sip:{text}@example.com"
