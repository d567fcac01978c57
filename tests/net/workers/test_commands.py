"""
Values cross to a worker and back as they are.
"""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.net.workers.commands import PIECE_OCTETS, Value
from twisted_siprec.participants import Description, Participant
from twisted_siprec.plan import (
    BridgePlan,
    ChannelPlan,
    Codec,
    Destination,
    EndReason,
    Layout,
    Secret,
    StreamPlan,
)
from twisted_siprec.wire import dumps, loads

PLAN = BridgePlan(
    bridge="b",
    call_id="c@example.com",
    local_address="127.0.0.1",
    streams=(StreamPlan(0, (Codec(0, "PCMU", 8000),), ("192.0.2.1", 4000), "1"),),
    channels=(ChannelPlan(0, (0,), "p", "caller", "1"),),
    destinations=(
        Destination("d", "wss://example.com/", layout=Layout.MONO, bearer=Secret(file="/x")),
    ),
    description=Description("b", "c@example.com", participants=(Participant("p", name="Ann"),)),
    started_at=1.5,
)


class WireTests(SynchronousTestCase):
    def test_plan(self) -> None:
        """A plan is equal to itself on the other side, with its enumerations and tuples."""
        self.assertEqual(loads(dumps(PLAN)), PLAN)
        self.assertEqual(loads(dumps(MediaSettings(jitter_ms=80))), MediaSettings(jitter_ms=80))
        self.assertIs(loads(dumps(EndReason.SHUTDOWN)), EndReason.SHUTDOWN)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
            lambda inner: (
                st.lists(inner, max_size=4).map(tuple)
                | st.dictionaries(st.text(max_size=4), inner, max_size=4)
            ),
            max_leaves=20,
        )
    )
    @settings(deadline=None, max_examples=100)
    def test_anything(self, value: object) -> None:
        """Every nesting of plain values comes back."""
        self.assertEqual(loads(dumps(value)), value)

    def test_foreign(self) -> None:
        """No class but values of this package is made, whatever the pipe says."""
        for name in (
            "os:system",
            "subprocess:Popen",
            "twisted_siprec.wire:dumps",
        ):
            octets = json.dumps({"!": name, "fields": {}}).encode()
            self.assertRaises((ValueError, TypeError), loads, octets)
        self.assertRaises(TypeError, dumps, object())


class PiecesTests(SynchronousTestCase):
    def test_large(self) -> None:
        """A value larger than AMP allows goes in pieces, each of which it allows."""
        text = "x" * (3 * PIECE_OCTETS)
        argument, strings, objects = Value(), {}, {}
        argument.toBox(b"value", strings, {"value": text}, None)
        self.assertEqual(len(strings), 5)
        self.assertTrue(all(len(piece) <= 65_535 for piece in strings.values()))
        argument.fromBox(b"value", strings, objects, None)
        self.assertEqual(objects, {"value": text})
        self.assertEqual(strings, {})

    def test_too_large(self) -> None:
        """There is an end to it."""
        text = "x" * (70 * PIECE_OCTETS)
        self.assertRaises(ValueError, Value().toBox, b"value", {}, {"value": text}, None)
