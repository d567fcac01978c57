"""
What SRCs send that is not as it should be, and that we take all the same.

A warning is a code that is stable, for counters and for consumers, and a text
for whoever reads the log. None of them keeps a call from being recorded.
"""

from __future__ import annotations

Oddity = tuple[str, str]
"(code, text), as :class:`~twisted_siprec.plan.Description` has it."

WARNINGS: dict[str, str] = {
    # The INVITE.
    "sip-no-src-tag": "Contact has no +sip.src (RFC 7866 section 6.2)",
    "sip-src-tag-misplaced": "sip.src is not a +sip.src parameter after the Contact's address",
    "sip-no-require-siprec": "Require does not name siprec (RFC 7866 section 6.2)",
    "sip-not-recording": "nothing in the INVITE says that it is a recording session",
    "sip-clock": "the Date of the INVITE is far from our clock",
    "sip-no-answer": "the ACK to our offer has no answer",
    "sip-bad-answer": "the answer to our offer cannot be used",
    "sip-bad-re-offer": "an offer within the dialog was refused",
    "sip-no-ports": "the media plane refused a change",
    "dtmf-malformed": "an INFO with a key press cannot be understood",
    # The body.
    "body-malformed": "the body cannot be understood",
    "body-type-missing": "the body has no Content-Type; it was guessed",
    "body-type-wrong": "the body is not what its Content-Type says; it was guessed",
    "multipart-no-boundary": "the boundary is missing or wrong; it was guessed",
    "multipart-unclosed": "the last boundary is missing",
    "multipart-limit": "too many or too deeply nested parts; some were not read",
    "multipart-encoding": "the Content-Transfer-Encoding of a part is unknown or wrong",
    "multipart-unknown-part": "a part of unknown type was passed over",
    "multipart-several-sdp": "there are several session descriptions; the first was taken",
    "multipart-several-metadata": "there are several metadata parts; the first was taken",
    # The SDP.
    "sdp-format-unmapped": "a payload type is neither static nor mapped",
    "sdp-clock-rate": "a clock rate contradicts RFC 3551 and was corrected",
    "sdp-too-many-streams": "more streams than are taken; the last ones were refused",
    "sdp-no-connection": "an m-line has no c= line; the first packet tells its source",
    "sdp-label-twice": "two m-lines have the same label",
    "sdp-payload-type-remapped": "a payload type changed its meaning within the dialog",
    "sdp-lines-unread": "lines of the SDP could not be understood",
    # The metadata.
    "metadata-missing": "there is no recording metadata",
    "metadata-malformed": "the metadata is no well-formed XML; what could be read was taken",
    "metadata-repaired": "the metadata is no well-formed XML; it was mended",
    "metadata-unsafe": "the metadata has a document type or entities and was not read",
    "metadata-limit": "the metadata is too large or too deep; the rest was not read",
    "metadata-charset": "the charset of the metadata is unknown or wrong",
    "metadata-root": "the root element is none of the recording metadata",
    "metadata-namespace": "the namespace is not urn:ietf:params:xml:ns:recording:1",
    "metadata-dialect": "attributes or elements are those of another schema than RFC 7865",
    "metadata-data-mode": "the datamode is neither complete nor partial; complete was taken",
    "metadata-partial-first": "a partial update came before any complete snapshot",
    "metadata-id-missing": "an element has no identifier",
    "metadata-id-reused": "one identifier stands for two elements; the later one was not read",
    "metadata-id-shared": "one identifier stands for elements of two kinds; both were taken",
    "metadata-no-associations": "a snapshot says of nobody what they send; what was known was kept",
    "metadata-time": "a time is not in the form of RFC 3339",
    "metadata-clock": "a time is before 2000; the SRC's clock is not set",
    "metadata-reference": "an association names what the metadata does not have",
    # SDP and metadata together.
    "label-unmatched": "the label of an m-line is not in the metadata; its place was taken",
    "label-missing": "an m-line has no label; its place was taken",
    "speaker-unknown": "the metadata does not say who speaks on a stream",
    "speaker-by-order": "who speaks on a stream was taken from the order of the participants",
    "headers-by-order": "who speaks on a stream was taken from SIP header fields",
}

MAX_WARNINGS = 32


def warning(code: str, detail: str = "") -> Oddity:
    """The warning of this code; ``detail`` says where."""
    text = WARNINGS[code]
    return code, f"{text} ({detail[:80]})" if detail else text


def joined(
    before: tuple[Oddity, ...], new: tuple[Oddity, ...], limit: int = MAX_WARNINGS
) -> tuple[Oddity, ...]:
    """All of both, each code and text once, never more than ``limit``."""
    return tuple(dict.fromkeys((*before, *new)))[:limit]
