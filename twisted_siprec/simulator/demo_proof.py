"""
The proof of the demonstration: what the consumer has in its files against what
was said, and what it has to say against the server.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .client_plan import CallResult
from .compare import Comparison, Likeness, compare, compare_mix, liken
from .consumer import Finish
from .sending import EncodedSpeech
from .speech import Samples, Speech
from .stream_record import StreamRecord, Text

_PASSED = 0.85
"Of the lower rate's band, where nothing but the rate is to be changed."
_HARMLESS_GAPS = frozenset({"no_packets", "muted"})
"Gaps that say that nobody sent anything, not that something was lost."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    call: CallResult
    finish: Finish
    comparisons: tuple[Comparison | Likeness, ...]
    faults: tuple[str, ...]
    "Whatever is wrong besides the samples."

    @property
    def ok(self) -> bool:
        """All that was said arrived, and nothing else."""
        compared = bool(self.comparisons) and all(each.equal for each in self.comparisons)
        return self.call.ok and compared and not self.faults


def judged(
    call: CallResult,
    finish: Finish,
    streams: Sequence[EncodedSpeech],
    gaps: Sequence[Text],
    *,
    rate: int,
    broken: bool,
) -> Outcome:
    """
    Compare.

    :param gaps: those that were announced to the consumer.
    :param rate: what the consumer was to get.
    :param broken: the consumer was killed meanwhile.
    """
    faults = [*finish.violations, *lost(gaps)]
    rates = {record.sample_rate for record in finish.records}
    comparisons: tuple[Comparison | Likeness, ...] = ()
    own = streams[0].source.rate
    sent = [Speech(speech.heard(), own).at(rate).samples for speech in streams]
    channels = channels_of(finish)
    mono = finish.records[0].media.get("layout") == "mono"
    if rates != {rate}:
        faults.append(f"delivered at {rates} Hz, not at {rate} Hz")
    elif mono and len(channels) == 1:
        comparisons = (compare_mix(channels[0][0], sent, channels[0][1]),)
    elif len(channels) == len(sent):
        # At the edge of the band one filter lets through what another does not.
        band = _PASSED * min(own, rate) / rate
        comparisons = tuple(
            compare(name, one, received) if rate == own else liken(name, one, received, band)
            for one, (name, received) in zip(sent, channels, strict=True)
        )
    else:
        faults.append(f"{len(sent)} streams were sent, {len(channels)} channels came")
    if broken and all(record.connections < 2 for record in finish.records):
        faults.append("the server did not come back to the consumer")
    return Outcome(call, finish, comparisons, tuple(faults))


def lost(gaps: Sequence[Text]) -> list[str]:
    """The gaps that tell of something that was sent and did not arrive."""
    return [
        f"a gap of {gap.get('samples')} samples at {gap.get('pos')}: {gap.get('reason')}"
        for gap in gaps
        if gap.get("reason") not in _HARMLESS_GAPS or gap.get("filled") == "none"
    ]


def channel_names(record: StreamRecord) -> list[str]:
    """What the channels of a stream are called: by role, by label, or by number."""
    if record.media.get("layout") == "mono":
        return ["both"]
    channels = record.start.get("channels") or [{}]
    return [
        str(channel.get("role") or channel.get("label") or f"channel {number}")
        for number, channel in enumerate(channels)
    ]


def channels_of(finish: Finish) -> list[tuple[str, Samples]]:
    """The names and the samples of all channels, in the order of their indexes."""
    channels: dict[int, tuple[str, Samples]] = {}
    for record, path in zip(finish.records, finish.files, strict=False):
        samples = samples_of(path, record)
        described = record.start.get("channels") or [{}]
        for column, name in enumerate(channel_names(record)):
            index = int(described[column].get("index", column))
            channels[index] = (name, samples[:, column])
    return [channels[index] for index in sorted(channels)]


def samples_of(path: Path, record: StreamRecord) -> npt.NDArray[np.int16]:
    """
    The samples of a consumer's file, a column for each channel. Silence at the
    end that came as a word is in no file; it is added.
    """
    with wave.open(str(path), "rb") as file:
        width = file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    rows = samples.reshape(-1, width).astype(np.int16)
    missing = max(0, (record.position or 0) - len(rows))
    return np.concatenate((rows, np.zeros((missing, width), np.int16)))
