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
    "sip-re-invite-refused": "a re-INVITE of ours was refused; recording goes on as it was",
    "sip-re-invite-unanswered": "a re-INVITE of ours had no answer; recording goes on as it was",
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
    "media-no-keys": "DTLS gave a stream no keys; nothing of it can be heard",
    "sdp-keys-readable": "keys of SRTP came over signalling that anybody on the way can read",
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

ADVICE: dict[str, str] = {
    "sip-no-src-tag": "Add the feature tag +sip.src to the Contact of the recording INVITE.",
    "sip-src-tag-misplaced": "Write the tag after the angle brackets: <sip:…>;+sip.src.",
    "sip-no-require-siprec": "Send Require: siprec, so that no plain phone takes the call.",
    "sip-not-recording": "Check that this trunk is meant to record; configure it as SIPREC.",
    "sip-clock": "Set the clock by NTP; the times of the metadata are as far off.",
    "sip-no-answer": "Put the SDP answer into the ACK where the INVITE had no offer.",
    "sip-bad-answer": "Accept at least one audio stream and codec of the offer in our 200.",
    "sip-bad-re-offer": "The log has the reason of the refusal; keep all m-lines in a new offer.",
    "sip-no-ports": "Nothing: widen media.ports here.",
    "sip-re-invite-refused": "Take offers of the recorder (RFC 7866 section 7.2).",
    "sip-re-invite-unanswered": "Answer requests of the recorder within the dialog (RFC 3261).",
    "dtmf-malformed": "Send Signal= and Duration= in application/dtmf-relay.",
    "body-malformed": "Send a body that is of the type that its Content-Type says.",
    "body-type-missing": "Send a Content-Type with every body and every part.",
    "body-type-wrong": "Send application/sdp and application/rs-metadata+xml as such.",
    "multipart-no-boundary": "Give the boundary in Content-Type, and use that one in the body.",
    "multipart-unclosed": "End the last part with the boundary and two hyphens (RFC 2046).",
    "multipart-limit": "Send one SDP and one metadata part.",
    "multipart-encoding": "Leave Content-Transfer-Encoding away, or use binary.",
    "multipart-unknown-part": "Mark additional parts with handling=optional (RFC 5621).",
    "multipart-several-sdp": "Send one application/sdp part.",
    "multipart-several-metadata": "Send one metadata part.",
    "sdp-format-unmapped": "Add a=rtpmap for every payload type from 96 on.",
    "sdp-clock-rate": "Write the clock rate of RFC 3551: 8000 for PCMU, PCMA and G722.",
    "sdp-too-many-streams": "Send fewer streams, or raise media.max_streams here.",
    "sdp-no-connection": "Add a c= line to the session or to every m-line (RFC 8866).",
    "sdp-label-twice": "Give every m-line a label of its own (RFC 4574).",
    "sdp-payload-type-remapped": "Use a free payload type for another codec (RFC 3264).",
    "sdp-lines-unread": "Remove or correct the lines of the SDP that are no type=value.",
    "media-no-keys": "The text says why: the certificate must be the one that a=fingerprint names.",
    "sdp-keys-readable": "Send keys over TLS alone (RFC 4568 section 8).",
    "metadata-missing": "Switch the metadata on: without it nobody knows who speaks.",
    "metadata-malformed": "Send well-formed XML; check it with any XML parser.",
    "metadata-repaired": "Escape &, < and > in names and addresses.",
    "metadata-unsafe": "Send neither a document type nor entities.",
    "metadata-limit": "Send less; or raise the limit here.",
    "metadata-charset": "Send UTF-8, and say so or nothing in charset.",
    "metadata-root": "The root element is recording (RFC 7865).",
    "metadata-namespace": "Use urn:ietf:params:xml:ns:recording:1; others are of drafts.",
    "metadata-dialect": "Use participant_id, session_id, stream_id and the association elements.",
    "metadata-data-mode": "Write complete or partial.",
    "metadata-partial-first": "Begin every recording session with a complete snapshot.",
    "metadata-id-missing": "Give every participant, session and stream its identifier.",
    "metadata-id-reused": "Use an identifier for one element only (RFC 7865 section 6.10).",
    "metadata-id-shared": "Use an identifier for one element only (RFC 7865 section 6.10).",
    "metadata-no-associations": "Repeat participantstreamassoc in every complete snapshot.",
    "metadata-time": "Write times as 2026-01-02T15:00:00Z, with a zone.",
    "metadata-clock": "Set the clock by NTP.",
    "metadata-reference": "Define every participant and stream that an association names.",
    "label-unmatched": "Use the same label in a=label and in the stream's label element.",
    "label-missing": "Add a=label to every m-line (RFC 7866 section 7.1.1).",
    "speaker-unknown": "Send a participantstreamassoc with send for every stream.",
    "speaker-by-order": "Send a participantstreamassoc with send for every stream.",
    "headers-by-order": "Nothing, where the SRC knows no SIPREC; else switch the metadata on.",
}
"What to tell the vendor, or whoever configures the SRC."

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
