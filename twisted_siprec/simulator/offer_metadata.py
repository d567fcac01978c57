"""
The metadata of a simulated call: a complete snapshot of :rfc:`7865`, with all
of its elements and associations in the order of the schema.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree

_NAMESPACE = "urn:ietf:params:xml:ns:recording:1"


@dataclass(frozen=True, slots=True)
class Party:
    """One who takes part in the simulated call."""

    aor: str
    name: str | None = None


def metadata(
    parties: tuple[Party, ...],
    labels: tuple[str, ...],
    token: Callable[[int], str],
    wallclock: float,
) -> bytes:
    """
    A complete metadata snapshot (:rfc:`7865#section-6`): every party sends its
    own stream and receives those of the others; where there is one stream only,
    all parties are mixed in it.

    :param token: gives that many random hex digits.
    """

    def identifier() -> str:
        return b64encode(bytes.fromhex(token(32))).decode()

    def add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> None:
        ElementTree.SubElement(parent, name, attributes).text = text or None

    at = datetime.fromtimestamp(wallclock, UTC).isoformat(timespec="milliseconds")
    at = at.replace("+00:00", "Z")
    root = ElementTree.Element("recording", xmlns=_NAMESPACE)
    add(root, "datamode", "complete")
    group, session = identifier(), identifier()
    add(ElementTree.SubElement(root, "group", group_id=group), "associate-time", at)
    described = ElementTree.SubElement(root, "session", session_id=session)
    add(described, "sipSessionID", f"{token(32)};remote={token(32)}")
    add(described, "group-ref", group)
    add(described, "start-time", at)
    participants = [identifier() for _ in parties]
    streams = [identifier() for _ in labels]
    for party, participant in zip(parties, participants, strict=True):
        element = ElementTree.SubElement(root, "participant", participant_id=participant)
        name_id = ElementTree.SubElement(element, "nameID", aor=party.aor)
        if party.name:
            add(name_id, "name", party.name)
    for label, stream in zip(labels, streams, strict=True):
        element = ElementTree.SubElement(root, "stream", stream_id=stream, session_id=session)
        add(element, "label", label)
    recording = ElementTree.SubElement(root, "sessionrecordingassoc", session_id=session)
    add(recording, "associate-time", at)
    for participant in participants:
        element = ElementTree.SubElement(
            root, "participantsessionassoc", participant_id=participant, session_id=session
        )
        add(element, "associate-time", at)
    for index, participant in enumerate(participants):
        element = ElementTree.SubElement(root, "participantstreamassoc", participant_id=participant)
        sent = streams if len(streams) == 1 else streams[index : index + 1]
        for stream in sent:
            add(element, "send", stream)
        for stream in streams:
            if stream not in sent or len(streams) == 1:
                add(element, "recv", stream)
        add(element, "associate-time", at)
    ElementTree.indent(root)
    xml: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return xml + b"\n"
