"""What consumers say, and that no dialect falls over it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import Exchange, destination, started
from twisted_siprec.dialects import DIALECTS, TERMS
from twisted_siprec.dialects.base import Odd
from twisted_siprec.dialects.texts import count, mapping, mappings, number, parsed, word, written

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
WORDS = tuple(
    word
    for line in (
        "event type kind command action id seq clientseq parameters media entities data version",
        "opened pause resume pong event closed disconnect reconnect updated mark clear Results",
        "channel channel_index alternatives transcript words start duration is_final Metadata",
        "Begin Turn turn_order end_of_turn Termination partial text result session.updated",
        "item_id delta error conversation.item.input_audio_transcription.delta audio_start_ms",
        "input_audio_buffer.committed conversation.item.input_audio_transcription.completed",
        "input_audio_buffer.speech_started session.accepted session.error userStream.started",
        "userStream.speech.recognition activities participant answer busy reject HANGUP GET_STATUS",
        "SET_MEDIA_DIRECTION direction name startPaused discardTo PT1S clientseq reason",
        "unauthorized stop discarded completed",
    )
    for word in line.split()
)
KNOWN = st.dictionaries(
    st.sampled_from(WORDS),
    st.sampled_from([*WORDS, 1, 2, 0.5, True, None, [], {}, [{}], {"name": "x"}, -1, 1e300])
    | VALUES
    | st.lists(st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=4), max_size=2),
    min_size=1,
    max_size=8,
)


class ReadersTests(SynchronousTestCase):
    """A wrong type is as good as nothing."""

    FIELDS = {
        "text": "ab\ud800",
        "whole": 3,
        "real": 2.5,
        "round": 4.0,
        "yes": True,
        "huge": 10**400,
        "map": {"a": 1},
        "list": [{"a": 1}, 2, "x"],
    }

    def test_words(self) -> None:
        """Texts that can be carried further, no longer than they may be."""
        self.assertEqual(word(self.FIELDS, "text"), "ab?")
        self.assertEqual(word(self.FIELDS, "text", 1), "a")
        self.assertEqual([word(self.FIELDS, name) for name in ("whole", "none")], ["", ""])

    def test_numbers(self) -> None:
        """True is no number, and neither is what no computer can count to."""
        self.assertEqual(
            [number(self.FIELDS, name) for name in ("whole", "real", "yes", "huge", "text")],
            [3.0, 2.5, None, None, None],
        )
        self.assertEqual(
            [count(self.FIELDS, name) for name in ("whole", "real", "round", "yes")],
            [3, None, 4, None],
        )
        self.assertIsNone(number({"x": float("nan")}, "x"))
        self.assertIsNone(count({"x": -1}, "x"))

    def test_containers(self) -> None:
        """Objects, and the objects of a list."""
        self.assertEqual(mapping(self.FIELDS, "map"), {"a": 1})
        self.assertEqual(mapping(self.FIELDS, "list"), {})
        self.assertEqual(mappings(self.FIELDS, "list"), [{"a": 1}])
        self.assertEqual(mappings(self.FIELDS, "map"), [])

    def test_parsed(self) -> None:
        """An object or what is wrong."""
        self.assertEqual(parsed('{"a":1}'), {"a": 1})
        self.assertEqual(parsed('{"a":NaN,"b":[-Infinity]}'), {"a": None, "b": [None]})
        for message in (b"x", "x", "NaN", "[]", "[" * 100_000, "9" * 10_000):
            self.assertIsInstance(parsed(message), Odd, message[:9])

    def test_written(self) -> None:
        """What cannot be written is null."""
        nested: list[object] = []
        for _ in range(100_000):
            nested = [nested]
        self.assertEqual(written(nested), "null")
        self.assertEqual(written(json.loads('{"a":1e999}')), "null")
        self.assertEqual(written({"a": "\ud800"}), '{"a":"\\ud800"}')


class RobustnessTests(SynchronousTestCase):
    """Each dialect, whatever it hears."""

    def exchange(self, protocol: str) -> Exchange:
        """An exchange that is connected."""
        made = Exchange(started(destination(protocol)))
        made.connect()
        return made

    def try_all(self, message: str | bytes) -> None:
        """Each dialect hears it, hears audio of ours, and ends in order."""
        for protocol in DIALECTS:
            exchange = self.exchange(protocol)
            exchange.hear(message)
            exchange.carry(0, 160)
            exchange.hear(message)
            exchange.do("stop call_ended")
            exchange.hear(message)
            exchange.pass_time(200.0)
            exchange.do("closed")
            exchange.pass_time(400.0)

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=40) | st.text(max_size=40) | VALUES.map(json.dumps))
    def test_anything(self, message: str | bytes) -> None:
        """Texts and octets of any kind."""
        self.try_all(message)

    @settings(max_examples=200, deadline=None)
    @given(KNOWN)
    def test_nearly_right(self, fields: dict[str, object]) -> None:
        """The right words in the wrong places."""
        self.try_all(json.dumps(fields))

    @settings(max_examples=100, deadline=None)
    @given(st.lists(KNOWN, min_size=1, max_size=6))
    def test_audiohook_in_sequence(self, said: list[dict[str, object]]) -> None:
        """AudioHook, with all the numbers right and everything else wrong."""
        exchange = self.exchange("audiohook")
        for sequence, fields in enumerate(said, 1):
            identified = {
                "id": exchange.spoken._session,  # type: ignore[attr-defined]
                "seq": sequence,
                "clientseq": 1,
                "type": fields.get("type", "opened"),
                "parameters": fields,
            }
            exchange.hear(json.dumps(identified))
            exchange.carry(sequence * 160, 160)

    def test_events(self) -> None:
        """Each dialect takes each event, before and after audio."""
        for protocol in DIALECTS:
            exchange = self.exchange(protocol)
            for position in (0, 1600):
                exchange.do("dtmf 5 0")
                exchange.do(f"gap {position} 160")
                exchange.do(f"pause {position + 160}")
                exchange.do(f"resume {position + 320} 160")
                exchange.do("parties 3")
                exchange.carry(position + 320, 160)
                exchange.do("parties 1")
                exchange.carry(position + 480, 160)
                exchange.do("parties 2")
            exchange.do("stop call_ended")

    def test_each_layout(self) -> None:
        """Each layout and encoding that a dialect agrees to is delivered in it."""
        for protocol, terms in TERMS.items():
            for layout in terms.layouts:
                for encoding in terms.encodings:
                    wanted = destination(protocol, layout=layout.value, encoding=encoding.value)
                    exchange = Exchange(started(wanted, track=1 if layout == "separate" else None))
                    exchange.connect()
                    exchange.carry(0, 1600)
                    exchange.do("stop call_ended")
                    exchange.pass_time(200.0)
