"""
The command line of ``siprec-demo``, and the server that it asks for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.python import usage

from .. import __version__
from ..config import SIP, Configuration, Listener, MediaConfiguration, ServerTLS, Stopping
from ..config.delivery import SAMPLE_RATES
from ..plan import Destination, Layout
from ..sip.events import Transport
from .call_options import lengths, one_of
from .sending import NAMES, Sending, format_named

JITTER_MS = 200
"More than a server needs, so that a machine that is busy with other things does no harm."


def _rate(text: str) -> int:
    if text not in map(str, SAMPLE_RATES):
        raise ValueError(f"{text} is none of {', '.join(map(str, SAMPLE_RATES))}")
    return int(text)


class Options(usage.Options):
    """How the demonstration is done."""

    synopsis = "Usage: siprec-demo [options]"
    longdesc = (
        "Starts the recording server, a consumer and a SIPREC client on this machine, plays a "
        "conversation of 12 seconds through them, and compares what the consumer received with "
        "what was said, sample by sample. Exits with 0 only if all of it is equal."
    )
    optParameters: list[list[Any]] = [
        [
            "codec",
            None,
            format_named("PCMU"),
            f"{', '.join(NAMES)}, with /RATE and :PARAMETERS where wanted.",
            format_named,
        ],
        [
            "rate",
            None,
            None,
            "8000, 16000, 24000 or 48000 Hz to the consumer; else what the codec has.",
            _rate,
        ],
        [
            "packet-ms",
            None,
            (20,),
            "Milliseconds of audio in a packet, or several, by turns: 10,20,60.",
            lengths(10, 60),
        ],
        ["transport", None, "UDP", "SIP over udp, tcp or tls.", one_of(*Transport.__members__)],
        [
            "layout",
            None,
            "interleaved",
            "interleaved, separate or mono channels.",
            one_of(*(each.value for each in Layout)),
        ],
        [
            "framing",
            None,
            "framed",
            "framed or plain messages to the consumer.",
            one_of("framed", "plain"),
        ],
        ["directory", None, None, "Where the files go; else in a directory of their own."],
    ]
    optFlags = [
        ["fault", None, "Kill the consumer in the middle and bring it back after 2 seconds."],
        ["transcribe", None, "Show the words that a recogniser hears, and those that were said."],
        ["trace", None, "Print the SIP messages whole."],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no annotations here

    def opt_version(self) -> None:
        """Print the version and exit."""
        print(f"siprec-demo (twisted_siprec) {__version__}")
        raise SystemExit(0)

    def parseArgs(self) -> None:
        """There is nothing but options."""

    def postOptions(self) -> None:
        """Check what belongs together."""
        if self["rate"] is not None and self["layout"] == "mono":
            raise usage.UsageError("--rate needs --layout interleaved or separate")
        if self["fault"] and self["framing"] != "framed":
            raise usage.UsageError(
                "--fault needs --framing framed: a plain consumer cannot say what it has received"
            )


def sending(options: Options) -> Sending:
    """How the conversation is sent."""
    return Sending((options["codec"],), options["packet-ms"])


def configuration(
    options: Options,
    consumer_url: str,
    tls_files: tuple[Path, Path] | None,
    sample_rate: int | None = None,
) -> Configuration:
    """
    A server on this machine's loopback, on ports that are free, for one consumer.

    :param sample_rate: that the consumer gets; None for what the server finds best.
    """
    transport = Transport(options["transport"])
    tls = ServerTLS(str(tls_files[0]), str(tls_files[1])) if tls_files is not None else None
    destination = Destination(
        "consumer",
        consumer_url,
        framing=options["framing"],
        layout=Layout(options["layout"]),
        sample_rate=sample_rate,
    )
    return Configuration(
        sip=SIP(listeners=(Listener(transport, "127.0.0.1", 0, tls=tls),)),
        media=MediaConfiguration(address="127.0.0.1", advertise="127.0.0.1", jitter_ms=JITTER_MS),
        destinations=(destination,),
        default_destinations=(destination,),
        stopping=Stopping(drain_s=5.0),
    )
