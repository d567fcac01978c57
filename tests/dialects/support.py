"""A call for the dialects to tell of, and the runner of the traces of what they say."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from twisted_siprec.bridge.delivery import Delivery
from twisted_siprec.bridge.delivery_states import (
    DeliverySettings,
    Disconnect,
    Finished,
    Output,
    Puzzled,
    Send,
    Tell,
)
from twisted_siprec.dialects import TERMS, dialect
from twisted_siprec.dialects.base import (
    Audio,
    ChannelStart,
    Dialect,
    Digit,
    Gap,
    Paused,
    Rearranged,
    Resumed,
    StreamStart,
)
from twisted_siprec.dialects.foreign import Foreign
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import ChannelPlan, Destination, Encoding, EndReason, Layout
from twisted_siprec.report import ConsumerSaid

TRACES = Path(__file__).parent / "traces"

ANN = ChannelStart(ChannelPlan(0, (0,), "p1", "caller", "1"), "PCMU")
BOB = ChannelStart(ChannelPlan(1, (1,), "p2", "callee", "2"), "PCMU")
CAROL = ChannelStart(ChannelPlan(2, (2,), "p3", None, "3"), "PCMU")
CHANNELS = (ANN, BOB, CAROL)
DESCRIPTION = Description(
    "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "call@sbc",
    caller="+15550100",
    called="+15550199",
    participants=(
        Participant("p1", "sip:+15550100@pbx.example", "Ann"),
        Participant("p2", "sip:2001@pbx.example", "Bob"),
    ),
    extensions=(("ucid", "0001"),),
)
OCTETS = {0: 0x11, 1: 0x22, 2: 0x33}
"What each channel says, in the lesser octet of each sample."


def destination(protocol: str, **values: object) -> Destination:
    """A destination as the configuration would have it where nothing was chosen."""
    terms = TERMS[protocol]
    encoding = Encoding(str(values.pop("encoding", terms.encodings[0].value)))
    layout = Layout(str(values.pop("layout", terms.layouts[0].value)))
    rate = values.pop("rate", None) or terms.rates_of(encoding)[0] or 8000
    options = tuple((name, str(value)) for name, value in values.items())
    return Destination(
        "sink",
        "wss://sink.example.com/listen",
        protocol=protocol,
        options=options,
        layout=layout,
        encoding=encoding,
        sample_rate=int(str(rate)),
        chunk_ms=terms.chunk_ms,
    )


def started(wanted: Destination, parties: int = 2, track: int | None = None) -> StreamStart:
    """The start of a stream to it."""
    channels = CHANNELS[:parties] if track is None else (CHANNELS[track],)
    return StreamStart(
        "stream-1",
        DESCRIPTION.recording_session_id,
        1_767_366_000.0,
        wanted.encoding,
        wanted.sample_rate or 8000,
        channels,
        wanted,
        DESCRIPTION,
        track,
    )


def audio(start: StreamStart, position: int, samples: int) -> Audio:
    """Each channel says its own octet all the time."""
    wide = start.encoding is Encoding.L16
    channels = start.channels[: start.width]
    step = b"".join(bytes([OCTETS[c.plan.index]]) + (b"\0" if wide else b"") for c in channels)
    return Audio(position, samples, step * samples)


def shortened(octets: bytes) -> str:
    """Octets that repeat, written as what repeats and how often."""
    for size in (1, 2, 4, 6):
        if not octets or len(octets) % size:
            continue
        units = [octets[at : at + size].hex() for at in range(0, len(octets), size)]
        runs = [(unit, len(list(same))) for unit, same in groupby(units)]
        if len(runs) <= 4:
            return "<" + " + ".join(f"{unit} x {count}" for unit, count in runs) + ">"
    rest = shortened(octets[16:]) if len(octets) > 64 else ""
    if rest.count("<") == 1 and " x " in rest:
        # It has a header.
        return f"<{octets[:16].hex()}> {rest}"
    return f"<{octets.hex()}>"


def legible(message: str | bytes) -> str:
    """A message with its audio shortened."""
    if isinstance(message, bytes):
        return f"binary {shortened(message)}"

    def shorten(match: re.Match[str]) -> str:
        return f'"{shortened(base64.b64decode(match[1]))}"'

    return re.sub(r'"([A-Za-z0-9+/]{40,}={0,2})"(?=[},])', shorten, message)


class Exchange:
    """A dialect in a real delivery, with a consumer that is the test."""

    def __init__(self, start: StreamStart) -> None:
        self.start = start
        self.spoken: Dialect = dialect(start.destination)
        self.now = 100.0
        settings = DeliverySettings(replay_speed=1000)
        self.delivery = Delivery(start, self.spoken, "token", settings)

    def connect(self, subprotocol: str | None = None) -> list[Output]:
        """As the outlet does: the handshake's parts first."""
        if isinstance(self.spoken, Foreign):
            self.spoken.url(self.start.destination.url, self.start)
        self.spoken.headers(self.start)
        self.delivery.connected(subprotocol, self.now)
        return self.delivery.outputs()

    def carry(self, position: int, samples: int) -> list[Output]:
        self.delivery.carry(audio(self.start, position, samples), self.now)
        return self.delivery.outputs()

    def hear(self, text: str | bytes) -> list[Output]:
        self.delivery.received(text, self.now)
        return self.delivery.outputs()

    def pass_time(self, until: float) -> list[Output]:
        outputs = self.delivery.outputs()
        while (due := self.delivery.next_deadline()) is not None and due <= until:
            self.now = max(due, self.now)
            self.delivery.expire(self.now)
            outputs += self.delivery.outputs()
        self.now = until
        return outputs

    def do(self, command: str) -> list[Output]:
        """A line of a trace."""
        name, *words = command.split()
        match name, words:
            case "connect", []:
                return self.connect()
            case "connect", [subprotocol]:
                return self.connect(subprotocol)
            case "audio", [position, samples]:
                return self.carry(int(position), int(samples))
            case "dtmf", [digit, channel]:
                self.delivery.tell(Digit(digit, 160, int(channel), None, "rfc4733"), self.now)
            case "gap", [position, samples]:
                gap = Gap(int(position), int(samples), (0, 1), "backpressure", "none")
                self.delivery.tell(gap, self.now)
            case "pause", [position]:
                self.delivery.tell(Paused(int(position), "src"), self.now)
            case "resume", [position, skipped]:
                self.delivery.tell(Resumed(int(position), "src", int(skipped)), self.now)
            case "parties", [count]:
                channels = CHANNELS[: int(count)]
                self.start = replace(self.start, channels=channels)
                self.delivery.tell(Rearranged(0, channels), self.now)
            case "lost", []:
                self.delivery.disconnected("reset", 1.0, False, self.now)
            case "closed", []:
                self.delivery.disconnected("closed", 1.0, True, self.now)
            case "wait", [seconds]:
                return self.pass_time(self.now + float(seconds))
            case "stop", [reason]:
                self.delivery.stop(EndReason(reason), 1000, (), self.now)
            case _:
                raise AssertionError(f"no such command: {command}")
        return self.delivery.outputs()


def shown(output: Output) -> str | None:
    """An output as a line of a trace; None for what is not shown in one."""
    match output:
        case Send(message):
            return f"> {legible(message)}"
        case Disconnect(code, reason, again):
            return f"= {'reconnect' if again else 'close'} {code} {reason}"
        case Tell(ConsumerSaid(_, _, name, payload)):
            return f"! {name} {payload}"
        case Puzzled(reason):
            return f"? {reason}"
        case Finished(account):
            return f"= delivered {account.delivered} missing {account.missing}"
    return None


def replayed(lines: list[str]) -> list[str]:
    """
    A trace with what is said in it now. Its first line names the protocol and the
    options; ``$`` begins what happens, ``<`` what the consumer says.
    """
    head, *rest = lines
    protocol, *options = head.removeprefix("% ").split()
    values: dict[str, object] = dict(option.split("=", 1) for option in options)
    parties, track = int(str(values.pop("parties", 2))), values.pop("track", None)
    wanted = destination(protocol, **values)
    exchange = Exchange(started(wanted, parties, None if track is None else int(str(track))))
    result = [head]
    for line in rest:
        if line.startswith("$ "):
            outputs = exchange.do(line[2:])
        elif line.startswith("< "):
            outputs = exchange.hear(line[2:])
        elif line.startswith(("> ", "= ", "! ", "? ")):
            continue
        else:
            result.append(line)
            continue
        result.append(line)
        result.extend(text for text in map(shown, outputs) if text is not None)
    return result


def json_of(messages: list[str | bytes]) -> list[object]:
    """Texts, decoded."""
    return [json.loads(message) for message in messages if isinstance(message, str)]
