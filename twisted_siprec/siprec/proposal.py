"""
What a request proposes: an offer, metadata, both or neither, weighed against what
was agreed on and known before. Nothing changes until it is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ..errors import RemoteError
from ..plan import ParticipantEvent
from ..sdp.description import SessionDescription
from ..sdp.formats import offerable
from ..sdp.negotiation import Negotiation, negotiate
from ..sdp.offer import accept_answer, first_offer
from ..sip.message import Request, Response
from .agreement import Agreement
from .content import Content
from .document import Document
from .dossier import Dossier
from .identity import Marks, named_parties
from .leniency import Oddity, warning
from .metadata import read_metadata
from .outputs import SessionPolicy
from .times import apart_s

CLOCK_TOLERANCE_S = 60.0
"An SRC whose clock is further off is told of; the times of its metadata are too."

_UNREADABLE = frozenset(
    {"metadata-malformed", "metadata-unsafe", "metadata-limit", "metadata-root"}
)


class Reply(Enum):
    """What the 200 bears."""

    ANSWER = "an answer to the offer"
    OFFER = "an offer of ours, since the INVITE has none"
    NOTHING = "no SDP: there is none in an UPDATE either"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What holds once the request is accepted."""

    agreement: Agreement
    dossier: Dossier
    reply: Reply
    events: tuple[ParticipantEvent, ...] = ()

    @property
    def concluded(self) -> Proposal:
        """With the SDP that goes out; every stream must have its ports."""
        if self.reply is Reply.ANSWER:
            return replace(self, agreement=self.agreement.answered())
        if self.reply is Reply.OFFER:
            return replace(self, agreement=self.agreement.offered())
        return self

    @property
    def body(self) -> bytes:
        """The body of the 200."""
        return b"" if self.reply is Reply.NOTHING else self.agreement.body


def admit(
    request: Request, agreement: Agreement, dossier: Dossier, policy: SessionPolicy, now_text: str
) -> Proposal:
    """
    Weigh the INVITE that begins a recording session.

    :raises RemoteError: where it is none, by the measure of the policy, or
        where nothing of what it offers can be recorded.
    """
    marks = Marks.of(request)
    if policy.strict and not marks.standard:
        status = policy.plain_invite_status or 403
        raise RemoteError(status, "not a recording session by RFC 7866 section 6.2")
    _check_accept(request, policy)
    content = read_content(request, policy)
    warnings = marks.warnings
    if not (marks.any or content.metadata is not None or named_parties(request)):
        if policy.plain_invite_status is not None:
            raise RemoteError(policy.plain_invite_status, "not a recording session")
        warnings = (warning("sip-not-recording"),)
    if content.metadata is None:
        warnings = (*warnings, warning("metadata-missing"))
    date = dossier.start_time
    if date is not None and apart_s(date, now_text) > CLOCK_TOLERANCE_S:
        warnings = (*warnings, warning("sip-clock", date))
    return _weigh(request, content, agreement, dossier.warned(warnings), policy, now_text)


def propose(
    request: Request, agreement: Agreement, dossier: Dossier, policy: SessionPolicy, now_text: str
) -> Proposal:
    """
    Weigh a re-INVITE or an UPDATE.

    :raises RemoteError: where it is to be refused; all stays as it was then.
    """
    content = read_content(request, policy)
    return _weigh(request, content, agreement, dossier, policy, now_text)


def conclude(
    message: Request | Response,
    agreement: Agreement,
    dossier: Dossier,
    policy: SessionPolicy,
    now_text: str,
) -> Proposal:
    """
    Weigh the answer to our offer: in the ACK to a 200 of ours, or in the 200 to our INVITE.

    :raises RemoteError: where there is none, or none that can be used.
    """
    content = read_content(message, policy)
    if content.sdp is None or agreement.negotiation is None:
        raise RemoteError(488, "there is no answer")
    described = SessionDescription.parse(content.sdp)
    negotiation = accept_answer(
        agreement.wanted,
        described,
        policy.codecs,
        profiles=policy.protection.profiles,
        new_key=policy.new_key,
        keys_in_sdp=policy.protection.keys_in_sdp,
        fingerprint=policy.own_fingerprint,
    )
    dossier = dossier.warned((*content.warnings, *_remarks(negotiation, described, policy)))
    dossier, events = dossier.learnt(_document(content, policy), now_text)
    agreement = agreement.negotiated(negotiation)
    return Proposal(agreement, dossier.heard_on(negotiation.accepted), Reply.NOTHING, events)


def told(
    request: Request, dossier: Dossier, policy: SessionPolicy, now_text: str
) -> tuple[Dossier, tuple[ParticipantEvent, ...]]:
    """What metadata in a request without offer says, such as a BYE; never raises."""
    try:
        content = read_content(request, replace(policy, strict=False))
    except RemoteError:
        return dossier.warned((warning("body-malformed", request.method),)), ()
    document = _document(content, replace(policy, strict=False))
    return dossier.warned(content.warnings).learnt(document, now_text)


def read_content(message: Request | Response, policy: SessionPolicy) -> Content:
    """
    The body of a message.

    :raises RemoteError: 415.
    """
    return Content.read(
        message.body,
        message.headers.get("Content-Type"),
        content_encoding=message.headers.get("Content-Encoding"),
        disposition=message.headers.get("Content-Disposition"),
        strict=policy.strict,
        limits=policy.body_limits,
    )


def _weigh(
    request: Request,
    content: Content,
    agreement: Agreement,
    dossier: Dossier,
    policy: SessionPolicy,
    now_text: str,
) -> Proposal:
    warnings = list(content.warnings)
    if content.sdp is not None:
        described = SessionDescription.parse(content.sdp)
        negotiation = negotiate(
            described,
            policy.codecs,
            agreement.negotiation,
            max_streams=policy.max_streams,
            profiles=policy.protection.profiles,
            new_key=policy.new_key,
            keys_in_sdp=policy.protection.keys_in_sdp,
            fingerprint=policy.own_fingerprint,
        )
        warnings += _remarks(negotiation, described, policy)
        agreement, reply = agreement.negotiated(negotiation), Reply.ANSWER
    elif request.method == "INVITE":
        if agreement.negotiation is None and not policy.protection.plain:
            raise RemoteError(488, "media must be protected: an offer with keys is needed")
        offer = agreement.negotiation or first_offer(offerable(policy.codecs), policy.offer_labels)
        agreement, reply = agreement.negotiated(offer), Reply.OFFER
    else:
        reply = Reply.NOTHING
    document = _document(content, policy)
    dossier, events = dossier.warned(warnings).learnt(document, now_text)
    accepted = agreement.negotiation.accepted if agreement.negotiation else ()
    return Proposal(agreement, dossier.heard_on(accepted), reply, events)


def _document(content: Content, policy: SessionPolicy) -> Document | None:
    if content.metadata is None:
        return None
    document = read_metadata(content.metadata, content.charset, policy.metadata_limits)
    if policy.strict:
        for code, text in document.warnings:
            if code in _UNREADABLE:
                raise RemoteError(400, text)
    return document


def _remarks(
    negotiation: Negotiation, described: SessionDescription, policy: SessionPolicy
) -> list[Oddity]:
    found = [warning(code, detail) for code, detail in negotiation.remarks]
    if described.unread:
        found.append(warning("sdp-lines-unread"))
    keyed = any(stream.crypto is not None for stream in negotiation.accepted)
    if keyed and not policy.signalling_is_private:
        found.append(warning("sdp-keys-readable"))
    return found


def _check_accept(request: Request, policy: SessionPolicy) -> None:
    """An SRC that takes no SDP cannot be answered (:rfc:`3261#section-20.1`)."""
    accepted = {each.partition(";")[0].strip() for each in request.headers.tokens("Accept")}
    if policy.strict and accepted and not accepted & {"application/sdp", "application/*", "*/*"}:
        raise RemoteError(406, "the answer would be application/sdp")
