"""
What is known of a call, and who has been told of it: the media plane, which tells
consumers, and the shell, by the outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..participants import Description
from ..plan import BridgePlan, BridgeUpdate, Destination, KeyPress, ParticipantEvent, StreamPlan
from .dossier import Dossier
from .hidden import without
from .leniency import Oddity, joined
from .outputs import Changed, Output, UpdateBridge, Warned
from .shown import Shown, bare


class Knowledge:
    """
    The dossier of a recording session, and the outputs that come of it.

    :param hide: what nobody is told, by its names in :mod:`~.hidden`.
    """

    def __init__(self, identity: str, hide: frozenset[str] = frozenset()) -> None:
        self.dossier = Dossier(identity, "")
        self._hide = hide
        self._shown = Shown(identity, hide)
        self._outputs: list[Output] = []

    @property
    def description(self) -> Description:
        """What is known, without what is hidden."""
        return without(self.dossier.description(self._shown.include_xml), self._hide)

    @property
    def text(self) -> str | None:
        """The metadata as received last; None where anything of it is hidden."""
        return None if self._hide else self.dossier.xml

    @property
    def paused(self) -> bool:
        """No stream is recorded, by whomever it is paused."""
        return self._shown.paused

    def outputs(self) -> list[Output]:
        """What is to be done, in order; each is returned once."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def put(self, output: Output) -> None:
        """Have something done."""
        self._outputs.append(output)

    def plan(
        self,
        dossier: Dossier,
        streams: tuple[StreamPlan, ...],
        destinations: tuple[Destination, ...],
        local_address: str,
        started_at: float,
    ) -> BridgePlan:
        """What the media plane is asked for at first."""
        plan = self._shown.plan(dossier, streams, destinations, local_address, started_at)
        self.learn(dossier)
        return plan

    def show(
        self,
        dossier: Dossier,
        streams: tuple[StreamPlan, ...],
        events: tuple[ParticipantEvent, ...] = (),
    ) -> None:
        """Tell the media plane what is new in this; it does not hold yet."""
        self._tell(self._shown.change(self._with_known(dossier), streams, events))

    def take(
        self,
        dossier: Dossier,
        streams: tuple[StreamPlan, ...],
        events: tuple[ParticipantEvent, ...] = (),
    ) -> None:
        """From here on this holds."""
        self.show(dossier, streams, events)
        self.learn(dossier)

    def learn(self, dossier: Dossier) -> None:
        """Take a dossier over, and tell the shell what is new in it."""
        known, learnt = self.dossier.warnings, self._with_known(dossier)
        if learnt is self.dossier:
            return
        before = bare(self.description)
        self.dossier = learnt
        self._outputs += [Warned(*each) for each in self.dossier.warnings if each not in known]
        description = self.description
        if bare(description) != before:
            self._outputs.append(Changed(description))

    def warn(self, oddities: Iterable[Oddity], live: bool) -> None:
        """Something was odd. While the call is live, consumers hear of it at once."""
        self.learn(self.dossier.warned(oddities))
        if live:
            self._tell(self._shown.warned(self.dossier.warnings))

    def pressed(self, key: KeyPress) -> None:
        """A key was pressed."""
        self._tell(self._shown.key(key))

    def pause(self, paused: bool, live: bool) -> None:
        """The operator pauses, or no longer."""
        if live:
            self._tell(self._shown.policy_change(paused))
        else:
            self._shown.paused_by_policy = paused

    def _with_known(self, dossier: Dossier) -> Dossier:
        """A proposal that waited for ports does not know what was odd meanwhile."""
        warnings = joined(self.dossier.warnings, dossier.warnings)
        return dossier if warnings == dossier.warnings else replace(dossier, warnings=warnings)

    def _tell(self, update: BridgeUpdate | None) -> None:
        if update is not None:
            self._outputs.append(UpdateBridge(update))
