"""
The embedded destination: each consumer stream as a WAV file, and beside it a
JSON file with what is known of the call, what happened in it, and the account.

Files are written by threads, one batch of a recording at a time and in order,
so a slow disk holds up nothing but itself: what waits for it is bounded, and
what is more than that is a gap like any other. Until a recording is whole, its
files end in ``.part``.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...bridge.gaps import Account, Span
from ...dialects import bodies
from ...dialects.base import (
    Audio,
    Event,
    Gap,
    Progress,
    Rearranged,
    Redescribed,
    Resumed,
    StreamStart,
)
from ...dialects.native import RecstreamDialect
from ...plan import EndReason
from ...report import DeliveryStatistics, LinkDown, LinkUp, Report, StreamStatistics
from .wav import WavFile

InThread = Callable[[Callable[[], int]], "Deferred[int]"]
"Runs something that blocks where it may."


@dataclass(frozen=True, slots=True)
class RecordingSettings:
    """What a recording may cost."""

    flush_s: float = 1.0
    max_waiting_octets: int = 8 * 1024 * 1024
    max_events: int = 10_000
    retry_s: float = 5.0
    "After the disk refused."


@dataclass(slots=True)
class _Files:
    """The two files of a recording. Touched by one thread at a time."""

    directory: Path
    name: str
    start: StreamStart
    wav: WavFile | None = None
    stem: str = ""

    def open(self) -> WavFile:
        """The WAV file, made at the first use; of a name that is taken, the next."""
        if self.wav is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            start = self.start
            for number in range(1, 1000):
                stem = self.name if number == 1 else f"{self.name}-{number}"
                if (self.directory / f"{stem}.wav").exists():
                    continue
                path = self.directory / f"{stem}.wav.part"
                try:
                    self.wav = WavFile(path, start.encoding, start.sample_rate, start.width)
                except FileExistsError:
                    continue
                self.stem = stem
                break
            else:
                raise OSError(f"a thousand recordings of the name {self.name}")
        return self.wav

    def write(self, batch: tuple[Audio, ...], document: bytes | None) -> int:
        """A batch of audio, and the document where it changed."""
        wav = self.open()
        for audio in batch:
            wav.write(audio.position, audio.payload)
        wav.patch()
        if document is not None:
            (self.directory / f"{self.stem}.json.part").write_bytes(document)
        return len(batch)

    def finish(self, document: Callable[[str], bytes]) -> int:
        """Close the files and give them their names."""
        wav = self.open()
        wav.close()
        part = self.directory / f"{self.stem}.json.part"
        part.write_bytes(document(f"{self.stem}.wav"))
        wav.path.rename(self.directory / f"{self.stem}.wav")
        part.rename(self.directory / f"{self.stem}.json")
        return 0


@dataclass(slots=True)
class _Record:
    """What the JSON file says of the call, besides the account."""

    start: StreamStart
    events: list[dict[str, object]] = field(default_factory=list)
    unrecorded: int = 0
    changed: bool = True

    def document(self, statistics: dict[str, object] | None, file: str | None) -> bytes:
        """The JSON file as it is now."""
        body: dict[str, object] = {
            "file": file,
            "streamId": self.start.stream_id,
            "startedAt": bodies.timestamp(self.start.started_at),
            "media": bodies.media(self.start),
            "channels": bodies.channels(self.start.channels),
            "siprec": bodies.description(self.start.description),
            "events": self.events,
        }
        if self.unrecorded:
            body["eventsNotRecorded"] = self.unrecorded
        if self.start.track is not None:
            body["track"] = self.start.track
        if statistics is not None:
            body["statistics"] = statistics
        self.changed = False
        return json.dumps(body, ensure_ascii=True, indent=1).encode("ascii")


class Recording:
    """One consumer stream on disk."""

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        start: StreamStart,
        report: Callable[[Report], None],
        in_thread: InThread,
        settings: RecordingSettings | None = None,
    ) -> None:
        self._clock = clock
        self._report = report
        self._in_thread = in_thread
        self._settings = settings or RecordingSettings()
        self._start = start
        self._files = _Files(directory_of(start.destination.url), file_name(start), start)
        self._record = _Record(start)
        self._dialect = RecstreamDialect(start.destination)
        self._account = Account(start.sample_rate)
        self._waiting: deque[Audio] = deque()
        self._waiting_octets = 0
        self._timer: IDelayedCall | None = None
        self._writing = False
        self._up = False
        self._attempts = 0
        self._batches = 0
        self._ending: tuple[EndReason, int, tuple[StreamStatistics, ...]] | None = None
        self._statistics: DeliveryStatistics | None = None
        self._asked: list[Deferred[DeliveryStatistics]] = []
        self._arm(0.0)

    # --- the outlet --------------------------------------------------------------

    @property
    def waiting_s(self) -> float:
        """How much audio waits to be written."""
        return sum(audio.samples for audio in self._waiting) / self._start.sample_rate

    def carry(self, audio: Audio) -> None:
        """The next audio: it waits for the next batch; of too much, the oldest gives way."""
        if self._ending is not None or audio.samples <= 0:
            return
        self._skip_to(audio.position, "no_packets")
        if audio.position < self._account.position:
            return
        self._account.advance(audio.samples)
        self._waiting.append(audio)
        self._waiting_octets += len(audio.payload)
        while self._waiting_octets > self._settings.max_waiting_octets:
            self._lose(self._waiting.popleft())
        self._arm(self._settings.flush_s)

    def carry_alike(self, position: int, samples: int, payload: bytes) -> None:
        """The same, of audio of which there is nothing to be told."""
        self.carry(Audio(position, samples, payload))

    def tell(self, event: Event) -> None:
        """What happened goes into the JSON file."""
        if self._ending is not None:
            return
        match event:
            case Gap(filled="none"):
                self._skip_to(event.position + event.samples, event.reason)
            case Gap():
                self._account.fill(event.samples, event.reason)
            case Resumed():
                self._skip_to(event.position, "paused")
            case Redescribed():
                self._record.start = replace(self._record.start, description=event.description)
            case Rearranged():
                self._record.start = replace(self._record.start, channels=event.channels)
            case Progress():
                return
        self._note(event)

    def stop(
        self, reason: EndReason, duration_ms: int, channels: tuple[StreamStatistics, ...]
    ) -> Deferred[DeliveryStatistics]:
        """No more comes; fires when the files have their names, or cannot have them."""
        done: Deferred[DeliveryStatistics] = Deferred()
        if self._statistics is not None:
            done.callback(self._statistics)
            return done
        self._asked.append(done)
        if self._ending is None:
            self._ending = (reason, duration_ms, channels)
            self._disarm()
            if not self._writing:
                self._write()
        return done

    # --- batches --------------------------------------------------------------------

    def _write(self) -> None:
        """Hand all that waits to a thread."""
        self._timer = None
        if self._writing:
            return
        batch = tuple(self._waiting)
        self._waiting.clear()
        self._writing = True
        document = self._record.document(None, None) if self._record.changed else None
        written = self._in_thread(lambda: self._files.write(batch, document))
        written.addCallbacks(
            lambda _: self._written(batch), lambda failure: self._refused(batch, failure)
        )
        written.addErrback(self._log_fault)

    def _written(self, batch: tuple[Audio, ...]) -> None:
        self._writing = False
        for audio in batch:
            self._waiting_octets -= len(audio.payload)
            self._account.hand(audio.samples)
        self._batches += len(batch)
        if not self._up:
            self._up = True
            self._attempts += 1
            self._report(LinkUp(self._start.bridge, self._name, self._attempts))
        if self._ending is None:
            if self._waiting or self._record.changed:
                self._arm(self._settings.flush_s)
        elif self._waiting:
            self._write()
        else:
            self._finish()

    def _refused(self, batch: tuple[Audio, ...], failure: Failure) -> None:
        """The disk is full, or not there. The call goes on, and so does trying."""
        failure.trap(OSError)
        self._writing = False
        self._waiting.extendleft(reversed(batch))
        self._log.error(
            "{call_id}: {destination} cannot be written: {error}",
            call_id=self._start.description.call_id,
            destination=self._name,
            error=failure.getErrorMessage(),
        )
        retry_s = None if self._ending is not None else self._settings.retry_s
        self._up = False
        self._report(LinkDown(self._start.bridge, self._name, failure.getErrorMessage(), retry_s))
        if retry_s is not None:
            self._disarm()
            self._arm(retry_s)
            return
        while self._waiting:
            self._lose(self._waiting.popleft())
        self._finish(complete=False)

    # --- the end -----------------------------------------------------------------------

    def _finish(self, complete: bool = True) -> None:
        statistics = DeliveryStatistics(
            destination=self._name,
            stream_id=self._start.stream_id,
            channel=self._start.track,
            final_position=self._account.position,
            delivered=self._account.delivered,
            missing=self._account.missing,
            frames=self._batches,
            octets=self._account.delivered * self._start.sample_octets,
            gaps_ms=self._account.gaps_ms,
            reconnects=max(0, self._attempts - 1),
            complete=complete,
        )
        account = self._account_body(statistics)

        def document(file: str) -> bytes:
            return self._record.document(account, file)

        finished = self._in_thread(lambda: self._files.finish(document))
        finished.addCallbacks(
            lambda _: self._settle(statistics),
            lambda failure: self._unfinished(statistics, failure),
        )
        finished.addErrback(self._log_fault)

    def _unfinished(self, statistics: DeliveryStatistics, failure: Failure) -> None:
        failure.trap(OSError)
        self._log.error(
            "{call_id}: the recording keeps its .part: {error}",
            call_id=self._start.description.call_id,
            error=failure.getErrorMessage(),
        )
        self._settle(replace(statistics, complete=False))

    def _settle(self, statistics: DeliveryStatistics) -> None:
        self._statistics = statistics
        asked, self._asked = self._asked, []
        for done in asked:
            done.callback(statistics)

    def _account_body(self, statistics: DeliveryStatistics) -> dict[str, object]:
        reason, duration_ms, channels = self._ending or (EndReason.ERROR, 0, ())
        return {
            "reason": reason.value,
            "durationMs": duration_ms,
            "finalPos": statistics.final_position,
            "delivered": statistics.delivered,
            "missing": statistics.missing,
            "complete": statistics.complete,
            "gaps": dict(statistics.gaps_ms),
            "channels": [bodies.statistics(channel) for channel in channels],
        }

    # --- small things --------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return self._start.destination.name

    def _skip_to(self, position: int, reason: str) -> None:
        samples = position - self._account.position
        if samples > 0:
            self._account.lose(Span(self._account.position, samples, reason))
            self._account.advance(samples)

    def _lose(self, audio: Audio) -> None:
        self._waiting_octets -= len(audio.payload)
        self._account.lose(Span(audio.position, audio.samples, "backpressure"))
        self._note(Gap(audio.position, audio.samples, (), "backpressure", "none"))

    def _note(self, event: Event) -> None:
        if len(self._record.events) >= self._settings.max_events:
            self._record.unrecorded += 1
            return
        position = event.position if isinstance(event, Gap) else self._account.position
        for text in self._dialect.event(event, position):
            if isinstance(text, str):
                told = json.loads(text)
                self._record.events.append({name: told[name] for name in ("type", "pos", "data")})
                self._record.changed = True
        self._arm(self._settings.flush_s)

    def _arm(self, delay_s: float) -> None:
        if self._timer is None and not self._writing and self._ending is None:
            self._timer = self._clock.callLater(delay_s, self._write)

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _log_fault(self, failure: Failure) -> None:
        """Our own mistake: whoever waits for the account gets it all the same."""
        self._log.failure(
            "A fault in the recording of {bridge}", failure, bridge=self._start.bridge
        )
        self._writing = False
        if self._ending is not None and self._statistics is None:
            position, lost = self._account.position, self._account.missing
            self._settle(
                DeliveryStatistics(
                    self._name,
                    self._start.stream_id,
                    self._start.track,
                    final_position=position,
                    delivered=position - lost,
                    missing=lost,
                    complete=False,
                )
            )


def directory_of(url: str) -> Path:
    """The directory of ``file:DIRECTORY``; also of ``file:///DIRECTORY``."""
    return Path(unquote(urlsplit(url).path) or ".")


def file_name(start: StreamStart) -> str:
    """When the call began and what it is called, in characters that harm no file system."""
    moment = datetime.fromtimestamp(start.started_at, UTC).strftime("%Y%m%dT%H%M%SZ")
    call = _plain(start.description.call_id, 64) or "call"
    track = "" if start.track is None else f"-ch{start.track}"
    return f"{moment}-{call}-{_plain(start.stream_id, 8)}{track}"


def _plain(words: str, characters: int) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", words)[:characters].strip("._")
