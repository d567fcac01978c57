"""
The published schema of the native protocol, and what is really said: everything
that we say is in it, and everything that is in it can be said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import TRACES
from twisted_siprec.bridge import delivery_states
from twisted_siprec.dialects import RecstreamDialect
from twisted_siprec.dialects.base import (
    ChannelStart,
    Digit,
    Event,
    Gap,
    Odd,
    Paused,
    Progress,
    Rearranged,
    Redescribed,
    Resumed,
    ResumePoint,
    Stop,
    StreamStart,
    Synchronisation,
)
from twisted_siprec.dialects.native import FRAMED, PLAIN
from twisted_siprec.dialects.native_replies import _REPLIES
from twisted_siprec.participants import (
    CommunicationSession,
    Description,
    MediaStream,
    Participant,
    SessionGroup,
    Span,
    Stay,
)
from twisted_siprec.plan import (
    ChannelPlan,
    Destination,
    Encoding,
    EndReason,
    Layout,
    ParticipantEvent,
)
from twisted_siprec.report import StreamStatistics
from twisted_siprec.simulator import protocol_shapes

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "schema" / "recstream.v1.schema.json").read_text("utf-8"))
DEFINITIONS: dict[str, Any] = SCHEMA["$defs"]
ASYNCAPI = yaml.safe_load((DOCS / "schema" / "recstream.v1.asyncapi.yaml").read_text("utf-8"))

WHOLE_DESCRIPTION = Description(
    "rs-1",
    "call@sbc",
    src="sip:sbc.example.com",
    caller="+15550100",
    called="+15550199",
    request_uri="sip:srs@example.com",
    sessions=(
        CommunicationSession(
            "cs1",
            "g1",
            ("sid", "sid2"),
            "2026-01-02T15:00:00Z",
            "2026-01-02T15:01:00Z",
            (Span("2026-01-02T15:00:00Z", "2026-01-02T15:01:00Z"),),
            (("SIP", "200", "Call completed elsewhere"),),
        ),
    ),
    participants=(
        Participant(
            "p1",
            "sip:+15550100@example.com",
            "Ann",
            ("cs1",),
            "2026-01-02T15:00:00Z",
            "2026-01-02T15:01:00Z",
            (("x", "y"),),
            (Stay("cs1", "2026-01-02T15:00:00Z", "2026-01-02T15:01:00Z"),),
        ),
    ),
    streams=(MediaStream("s1", "1", "cs1", ("p1",), ("p2",)),),
    extensions=(("ucid", "0001"),),
    headers=(("X-Call-Tag", "vip"),),
    warnings=(("no-label", "m-line 2 has no label"),),
    xml="<recording/>",
    groups=(
        SessionGroup("g1", "2026-01-02T15:00:00Z", "2026-01-02T15:01:00Z", (("queue", "sales"),)),
    ),
    start_time="2026-01-02T15:00:00Z",
    stop_time="2026-01-02T15:01:00Z",
    stitch="ucid:0001",
    stitch_keys=("ucid:0001", "group:g1"),
)
BARE_DESCRIPTION = Description("rs-1", "call@sbc")
WHOLE_CHANNEL = ChannelStart(
    ChannelPlan(0, (0,), "p1", "caller", "1", content="speaker"), "PCMA", 305419896
)
BARE_CHANNEL = ChannelStart(ChannelPlan(1, (1,)))
WHOLE_COUNTS = replace(
    StreamStatistics(0, "1", "PCMA", 7, 600, 103200, 2, 1, 0, 3, 4, 40, 0, 1.23456, 1),
    mos=4.2,
    rtt_ms=31.5,
    contributors=(8, 9),
)
EVENTS: tuple[Event, ...] = (
    *(Gap(800, 160, (0, 1), reason, "none") for reason in protocol_shapes.GAP_REASONS),
    *(Gap(800, 160, (1,), "rtp_loss", filled) for filled in ("silence", "concealed")),
    Digit("5", 80, 0, "p1", "rfc4733"),
    Digit("#", 0, None, None, "sip-info"),
    Synchronisation(0, 1_767_366_000.5, ((1, 2, 0.12345), (None, None, 0.0))),
    Redescribed(replace(WHOLE_DESCRIPTION, revision=3, mode="delta")),
    Redescribed(BARE_DESCRIPTION),
    Rearranged(1600, (WHOLE_CHANNEL, BARE_CHANNEL)),
    *(
        ParticipantEvent(event, "p1", "2026-01-02T15:00:01Z")
        for event in ("joined", "left", "held", "resumed")
    ),
    *(Paused(0, by) for by in ("src", "consumer", "policy")),
    *(Resumed(8, by, 8) for by in ("src", "consumer", "policy")),
    Progress(0, (WHOLE_COUNTS, StreamStatistics(1))),
)


def stream_start(layout: Layout, encoding: Encoding, description: Description) -> StreamStart:
    """The start of a stream, with the metadata as received where there is any."""
    destination = Destination("analytics", "ws://a/", layout=layout, include_xml=True)
    separate = layout is Layout.SEPARATE
    return StreamStart(
        "stream-1",
        "rs-1",
        1_767_366_000.123456,
        encoding,
        16000,
        (WHOLE_CHANNEL,) if separate else (WHOLE_CHANNEL, BARE_CHANNEL),
        destination,
        description,
        track=0 if separate else None,
        late=encoding is Encoding.PCMA,
    )


def everything_said() -> list[Any]:
    """Every kind of text that the dialect has, each member of each of them, decoded."""
    said: list[str | bytes] = []
    for layout in Layout:
        for encoding in Encoding:
            for subprotocol in (FRAMED, PLAIN):
                for known in (WHOLE_DESCRIPTION, BARE_DESCRIPTION):
                    start = stream_start(layout, encoding, known)
                    speaker = RecstreamDialect(start.destination)
                    speaker.opened(subprotocol)
                    said += speaker.start(start, ResumePoint("token", 1, 0, None))
                    said += speaker.start(start, ResumePoint("token", 2, 40, 38, 64000))
                    said += speaker.start(start, ResumePoint("token", 3, 0, None))
                    for event in EVENTS:
                        said += speaker.event(event, 1600)
                    said += speaker.mark("m", 1600)
                    said += speaker.error("ready_timeout", "no ready in time, plain now", False)
                    for reason in EndReason:
                        counts, gaps = (WHOLE_COUNTS,), (("rtp_loss", 40), ("paused", 5))
                        said += speaker.stop(Stop(reason, 1, 2, 3, 4, counts, gaps, 1, 5, 2))
    return [json.loads(text) for text in said if isinstance(text, str)]


def strict(schema: Any) -> Any:
    """The same, but forbidding what is not in it."""
    closed = deepcopy(schema)
    for found in objects(closed):
        if "properties" in found and "allOf" not in found and "examples" not in found:
            found.setdefault("additionalProperties", False)
    for envelope in ("serverText", "consumerText"):
        del closed["$defs"][envelope]["additionalProperties"]
    for name, found in closed["$defs"].items():
        if "allOf" in found:
            found["unevaluatedProperties"] = False
        elif name.startswith("consumer.") and name.endswith(".data"):
            found["additionalProperties"] = False
    return closed


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects within a document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from objects(inner)


def used(schema: Any, value: Any) -> Iterator[tuple[str, str]]:
    """
    Which members of which definitions a valid value makes use of: ``(where,
    member)``, and ``(where, "= word")`` for the words of an enumeration.
    """
    where = schema.get("$comment", "")
    if "$ref" in schema:
        yield from used(at(schema["$ref"]), value)
    for part in schema.get("allOf", ()):
        yield from used(part, value)
    for part in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        if VALIDATOR.evolve(schema=part).is_valid(value):
            yield from used(part, value)
    if "enum" in schema:
        yield where, f"= {value}"
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield where, name
                yield from used(inner, value[name])
    if isinstance(value, list) and "items" in schema:
        for each in value:
            yield from used(schema["items"], each)


def usable(schema: Any) -> Iterator[tuple[str, str]]:
    """All that :func:`used` can yield of a schema."""
    for found in objects(schema):
        for name in found.get("properties", {}) if "$comment" in found else ():
            yield found["$comment"], name
        for word in found.get("enum", ()) if "$comment" in found else ():
            yield found["$comment"], f"= {word}"


def commented(schema: Any, where: str = "#") -> Any:
    """The same, each of its schemas with its own place as a comment."""
    if isinstance(schema, list):
        return [commented(inner, f"{where}/{index}") for index, inner in enumerate(schema)]
    if not isinstance(schema, dict):
        return schema
    inner = {
        name: value
        if name in ("examples", "const", "enum")
        else commented(value, f"{where}/{name}")
        for name, value in schema.items()
    }
    is_schema = where.rsplit("/", 1)[-1] not in ("properties", "$defs")
    return {**inner, "$comment": where} if is_schema else inner


PLACED = commented(SCHEMA)
VALIDATOR = Draft202012Validator(PLACED)
STRICT = Draft202012Validator(strict(SCHEMA))


def at(reference: str) -> Any:
    """What a reference within the schema refers to."""
    return PLACED["$defs"][reference.removeprefix("#/$defs/")]


def faults(definition: str, text: Any) -> list[str]:
    """What is wrong with a text, by a definition, where nothing but what is in it may come."""
    validator = STRICT.evolve(
        schema={"$ref": f"#/$defs/{definition}", "$defs": STRICT.schema["$defs"]}
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(text)]


class ServerSchemaTests(SynchronousTestCase):
    """What we say."""

    def test_schema(self) -> None:
        """It is a schema, and all its references lead somewhere."""
        Draft202012Validator.check_schema(SCHEMA)
        references = {found["$ref"] for found in objects(SCHEMA) if "$ref" in found}
        self.assertEqual(
            {name.removeprefix("#/$defs/") for name in references} - set(DEFINITIONS), set()
        )

    def test_everything_said_is_in_it(self) -> None:
        """Every text that the dialect has is valid, with no member that is not in the schema."""
        for text in everything_said():
            self.assertEqual(faults(f"server.{text['type']}", text), [], text)
            self.assertEqual(faults("fromServer", text), [], text)

    def test_everything_in_it_is_said(self) -> None:
        """Each member, and each word of each enumeration, can be produced."""
        said = {place for text in everything_said() for place in used(at("fromServer"), text)}
        servers = {name: found for name, found in PLACED["$defs"].items() if "onsumer" not in name}
        self.assertGreater(len(said), 150)
        self.assertEqual(set(usable(servers)) - said, set())

    def test_traces(self) -> None:
        """What the golden traces of the protocol hold is valid."""
        count = 0
        for path in sorted(TRACES.glob("recstream*.trace")):
            for line in path.read_text("utf-8").splitlines():
                if line.startswith("> {"):
                    count += 1
                    self.assertEqual(faults("fromServer", json.loads(line[2:])), [], path.name)
        self.assertGreater(count, 20)

    def test_it_can_tell(self) -> None:
        """A member that is missing, unknown, or of the wrong kind is found."""
        text = next(text for text in everything_said() if text["type"] == "gap")
        wrong = (
            {**text, "seq": 0},
            {**text, "more": 1},
            {**text, "data": {**text["data"], "more": 1}},
            {**text, "data": {**text["data"], "reason": "luck"}},
            {**text, "data": {**text["data"], "samples": "5"}},
            {**text, "data": {key: text["data"][key] for key in ("pos", "samples")}},
        )
        for each in wrong:
            self.assertNotEqual(faults("fromServer", each), [], each)

    def test_checker(self) -> None:
        """What siprec-consumer insists on is what the schema requires."""
        for name, members in protocol_shapes.BODIES.items():
            found = DEFINITIONS[f"{name}.data"]
            self.assertEqual(set(found["required"]), set(members), name)
        for name, known in (
            ("media", protocol_shapes.MEDIA),
            ("serverText", protocol_shapes.ENVELOPE),
        ):
            self.assertEqual(set(DEFINITIONS[name]["required"]), set(known), name)
        self.assertEqual(tuple(DEFINITIONS["gapReason"]["enum"]), protocol_shapes.GAP_REASONS)
        codes = {
            value for name, value in vars(delivery_states).items() if name.startswith("CLOSE_")
        }
        self.assertEqual(set(protocol_shapes.CLOSE_CODES), codes)


class ConsumerSchemaTests(SynchronousTestCase):
    """What consumers say."""

    def test_every_type(self) -> None:
        """The dialect understands each type of the schema, and no other."""
        names = [
            each["$ref"].removeprefix("#/$defs/consumer.")
            for each in DEFINITIONS["fromConsumer"]["oneOf"]
        ]
        self.assertEqual(set(names), set(_REPLIES))

    def test_examples(self) -> None:
        """The examples are valid, use each member, and each is understood as what it says."""
        seen = set()
        for name in _REPLIES:
            for example in DEFINITIONS[f"consumer.{name}.data"]["examples"]:
                text = {"type": name, "seq": 1, "ack": 1, "data": example}
                self.assertEqual(faults("fromConsumer", text), [], text)
                seen.update(used(at("fromConsumer"), text))
                speaker = RecstreamDialect(Destination("analytics", "ws://a/"))
                speaker.opened(FRAMED)
                (reply,) = speaker.received(json.dumps(text))
                self.assertFalse(isinstance(reply, Odd), text)
        live = {"type": "ready", "data": {"startAt": "live"}}
        seen.update(used(at("fromConsumer"), live))
        consumers = {name: found for name, found in PLACED["$defs"].items() if "onsumer" in name}
        self.assertEqual(set(usable(consumers)) - seen, set())

    def test_what_is_required_is_missed(self) -> None:
        """A text without a member that the schema requires is not understood either."""
        for name in _REPLIES:
            speaker = RecstreamDialect(Destination("analytics", "ws://a/"))
            speaker.opened(FRAMED)
            (reply,) = speaker.received(json.dumps({"type": name, "data": {}}))
            required = set(DEFINITIONS[f"consumer.{name}.data"]["required"]) - {"code"}
            self.assertEqual(isinstance(reply, Odd), bool(required), name)


class AsyncAPITests(SynchronousTestCase):
    """The document for tools that generate consumers."""

    def test_messages(self) -> None:
        """Each text of the schema is a message of it, in its direction, and so is the audio."""
        self.assertEqual(ASYNCAPI["asyncapi"], "3.0.0")
        messages = ASYNCAPI["components"]["messages"]
        directions = {
            "serverSpeaks": ("fromServer", {"audio", "framedAudio"}),
            "consumerSpeaks": ("fromConsumer", set()),
        }
        for operation, (definition, others) in directions.items():
            listed = {
                each["$ref"].rsplit("/", 1)[-1]
                for each in ASYNCAPI["operations"][operation]["messages"]
            }
            schemas = {messages[name]["payload"]["schema"]["$ref"] for name in listed - others}
            expected = {
                "recstream.v1.schema.json" + each["$ref"]
                for each in DEFINITIONS[definition]["oneOf"]
            }
            self.assertEqual(schemas, expected)
            self.assertLessEqual(others, listed)

    def test_references(self) -> None:
        """Every reference leads to something that is there, and every message is used."""
        used_messages = set()
        for found in objects(ASYNCAPI):
            reference = found.get("$ref")
            if reference is None:
                continue
            document, _, path = reference.partition("#")
            target: Any = SCHEMA if document else ASYNCAPI
            for step in path.strip("/").split("/"):
                self.assertIn(step, target, reference)
                target = target[step]
            if path.startswith("/components/messages/"):
                used_messages.add(path.rsplit("/", 1)[-1])
        self.assertEqual(used_messages, set(ASYNCAPI["components"]["messages"]))
