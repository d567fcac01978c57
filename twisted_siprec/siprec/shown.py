"""
What the media plane was told last, and what it has to be told now.
"""

from __future__ import annotations

from dataclasses import replace

from ..participants import Description
from ..plan import BridgePlan, BridgeUpdate, Destination, KeyPress, ParticipantEvent, StreamPlan
from .dossier import Dossier
from .hidden import without
from .leniency import Oddity


class Shown:
    """
    The media plane's view of a recording session: whole, and only told when it changes.

    :param hide: what consumers are not told, by its names in :mod:`~.hidden`.
    """

    def __init__(self, identity: str, hide: frozenset[str] = frozenset()) -> None:
        self.include_xml = False
        "A destination asks for the metadata as it came."
        self.paused_by_policy = False
        self._identity = identity
        self._hide = hide
        self._last = self.update(Dossier(identity, ""), ())

    @property
    def paused(self) -> bool:
        """No stream is recorded."""
        return self._last.paused

    def plan(
        self,
        dossier: Dossier,
        streams: tuple[StreamPlan, ...],
        destinations: tuple[Destination, ...],
        local_address: str,
        started_at: float,
    ) -> BridgePlan:
        """The first thing that it is told."""
        self.include_xml = any(each.include_xml for each in destinations)
        self._last = self.update(dossier, streams)
        return BridgePlan(
            bridge=self._identity,
            call_id=dossier.call_id,
            local_address=local_address,
            streams=streams,
            channels=dossier.channels,
            destinations=destinations,
            description=self._last.description,
            started_at=started_at,
            paused=self._last.paused,
        )

    def change(
        self,
        dossier: Dossier,
        streams: tuple[StreamPlan, ...],
        events: tuple[ParticipantEvent, ...] = (),
    ) -> BridgeUpdate | None:
        """What it is told of a change; None where nothing is different."""
        return self._different(self.update(dossier, streams), events)

    def policy_change(self, paused: bool) -> BridgeUpdate | None:
        """What it is told when the operator pauses or resumes."""
        self.paused_by_policy = paused
        return self._different(self._with_pause(self._last), ())

    def warned(self, warnings: tuple[Oddity, ...]) -> BridgeUpdate | None:
        """What it is told where nothing is new but that something was odd."""
        description = replace(self._last.description, warnings=warnings)
        return self._different(replace(self._last, description=description), ())

    def key(self, pressed: KeyPress) -> BridgeUpdate:
        """What it is told of a key press."""
        return replace(self._last, key_presses=(pressed,))

    def update(self, dossier: Dossier, streams: tuple[StreamPlan, ...]) -> BridgeUpdate:
        """The whole of it."""
        return self._with_pause(
            BridgeUpdate(
                bridge=self._identity,
                streams=streams,
                channels=dossier.channels,
                description=without(dossier.description(self.include_xml), self._hide),
            )
        )

    def _with_pause(self, update: BridgeUpdate) -> BridgeUpdate:
        held = bool(update.streams) and not any(stream.active for stream in update.streams)
        return replace(
            update,
            paused=held or self.paused_by_policy,
            paused_by="policy" if self.paused_by_policy else "src",
        )

    def _different(
        self, fresh: BridgeUpdate, events: tuple[ParticipantEvent, ...]
    ) -> BridgeUpdate | None:
        last, self._last = self._last, fresh
        described = fresh.description != last.description
        if events or fresh != last:
            return replace(fresh, described=described, events=events)
        return None


def bare(description: Description) -> Description:
    """A description without what is no news by itself."""
    return replace(description, warnings=())
