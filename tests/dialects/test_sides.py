"""Who is on which side."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import ANN, BOB, CAROL, audio, destination, started
from twisted_siprec.dialects.base import Audio, ChannelStart
from twisted_siprec.dialects.sides import Folding, sides
from twisted_siprec.plan import ChannelPlan

NOBODY = tuple(ChannelStart(ChannelPlan(index, (index,))) for index in range(3))


class SidesTests(SynchronousTestCase):
    """Two sides of any number of channels."""

    def test_by_role(self) -> None:
        """Whoever has the role, wherever the channel."""
        self.assertEqual(sides((ANN, BOB), "caller"), ((0,), (1,)))
        self.assertEqual(sides((ANN, BOB), "callee"), ((1,), (0,)))
        self.assertEqual(sides((BOB, ANN, CAROL), "caller"), ((1,), (0, 2)))

    def test_by_name(self) -> None:
        """A label or a participant will do."""
        self.assertEqual(sides((ANN, BOB), "2"), ((1,), (0,)))
        self.assertEqual(sides((ANN, BOB), "p1"), ((0,), (1,)))

    def test_unknown(self) -> None:
        """Where nothing is known, the first is the first."""
        self.assertEqual(sides(NOBODY, "caller"), ((0,), (1, 2)))
        self.assertEqual(sides((ANN, BOB), "nobody"), ((0,), (1,)))

    def test_the_other_is_known(self) -> None:
        """A callee is not the caller, though it is the only one or the first."""
        self.assertEqual(sides((BOB,), "caller"), ((), (0,)))
        self.assertEqual(sides((BOB, CAROL), "caller"), ((1,), (0,)))


class FoldingTests(SynchronousTestCase):
    """The audio of the sides."""

    def test_as_it_is(self) -> None:
        """Two channels in their order are not touched."""
        start = started(destination("twilio"))
        heard = audio(start, 0, 3)
        self.assertIs(Folding(start, "caller").folded(heard), heard.payload)
        self.assertEqual(Folding(start, "callee").folded(heard), b"\x22\x11" * 3)

    def test_split(self) -> None:
        """Each side by itself, and whose it is."""
        start = started(destination("twilio"))
        folding = Folding(start, "caller")
        self.assertEqual(folding.split(audio(start, 0, 2)), (b"\x11\x11", b"\x22\x22"))
        self.assertEqual(folding.parties, (ANN, BOB))
        self.assertEqual(folding.present, (True, True))

    def test_alone(self) -> None:
        """A channel by itself is on its side; an unknown one by its number."""
        wanted = destination("twilio", layout="separate")
        for channel, present in [
            (ANN, (True, False)),
            (BOB, (False, True)),
            (NOBODY[0], (True, False)),
            (NOBODY[1], (False, True)),
        ]:
            start = replace(started(wanted), channels=(channel,), track=channel.plan.index)
            self.assertEqual(Folding(start, "caller").present, present, channel.plan)

    def test_alone_and_interleaved(self) -> None:
        """The side that is not there is silent."""
        start = replace(started(destination("audiohook")), channels=(BOB,))
        self.assertEqual(Folding(start, "caller").folded(Audio(0, 2, b"ab")), b"\xffa\xffb")

    def test_mix(self) -> None:
        """The mix is the first side, and nobody's in particular."""
        folding = Folding(started(destination("twilio", layout="mono")), "caller")
        self.assertEqual(folding.present, (True, False))
        self.assertEqual(folding.parties, (None, None))

    def test_conference(self) -> None:
        """A side of several is nobody's in particular."""
        folding = Folding(started(destination("twilio"), parties=3), "caller")
        self.assertEqual(folding.parties, (ANN, None))
