"""
What holds between us and the SRC: the agreement, our own offers, and what is still to
come by an ACK. All of it is for a dialog that stands; what it does to the recording
session is that one's business.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import RemoteError
from ..sip.message import Request, Response
from . import snapshot
from .agreement import Agreement, Intent
from .knowledge import Knowledge
from .leniency import Oddity, warning
from .outputs import Accept, SendInvite, SendUpdate, SessionPolicy
from .own_offer import OwnOffer
from .pending import Awaited
from .proposal import Proposal, Reply, conclude, propose, read_content, told
from .times import utc_text


class Terms:
    """
    The terms of one dialog.

    :param dialog: the SIP core's name of it.
    """

    def __init__(
        self, identity: str, dialog: str, policy: SessionPolicy, knowledge: Knowledge
    ) -> None:
        self.agreement = Agreement.of(identity, policy.media_address)
        self._dialog = dialog
        self._policy = policy
        self._knowledge = knowledge
        self._own_offer = OwnOffer(policy.glare_delay_s, policy.max_attempts)
        self._awaited = Awaited.NOTHING
        self._asks_snapshot = False

    def next_deadline(self) -> float | None:
        """When :meth:`expire` has to be called."""
        return self._own_offer.next_deadline()

    def expire(self, now: float) -> None:
        """Do what is due; :meth:`ask` follows."""
        self._own_offer.expire(now)

    # --- offers of the SRC ----------------------------------------------------------

    def weigh(self, request: Request, wall: float) -> Proposal:
        """
        Weigh a re-INVITE or an UPDATE.

        :raises RemoteError: where it is to be refused. While an offer of ours is open
            there can be no other (:rfc:`3311#section-5.2`).
        """
        if self._awaited is Awaited.ANSWER or self._own_offer.open:
            content = read_content(request, self._policy)
            if request.method == "INVITE" or content.sdp is not None:
                raise RemoteError(491, "Request Pending")
        proposal = propose(
            request,
            self.agreement.intending(self._intent_in_answer()),
            self._knowledge.dossier,
            self._policy,
            utc_text(wall),
        )
        if proposal.reply is Reply.NOTHING:
            return replace(proposal, agreement=self.agreement)
        return proposal

    def accept(self, transaction: str, request: Request, proposal: Proposal) -> None:
        """Answer 200: from here on the proposal holds."""
        proposal = proposal.concluded
        self._own_offer.replaced(self.agreement.intent, proposal.agreement.intent)
        self._apply(proposal)
        if request.method == "INVITE":
            offered = proposal.reply is Reply.OFFER
            self._awaited = Awaited.ANSWER if offered else Awaited.ACK
        self._knowledge.put(Accept(transaction, proposal.body))
        metadata = proposal.dossier.metadata
        if metadata.partial and not metadata.complete and self._policy.request_snapshots:
            self._asks_snapshot = "update" in request.headers.tokens("Allow")
        if request.method != "INVITE":
            self._ask_snapshot()

    def acknowledged(self, request: Request, wall: float) -> bool:
        """The ACK came. False where it has no answer, or a useless one, to our offer."""
        awaited, self._awaited = self._awaited, Awaited.NOTHING
        if awaited is Awaited.ANSWER:
            try:
                self._conclude(request, self.agreement, wall)
            except RemoteError as error:
                code = "sip-bad-answer" if request.body else "sip-no-answer"
                self._warn(warning(code, error.reason))
                return False
        elif request.body:
            self.hear(request, wall)
        self._ask_snapshot()
        return True

    def hear(self, request: Request, wall: float) -> None:
        """Take the metadata of a request that makes no offer."""
        now_text = utc_text(wall)
        dossier, events = told(request, self._knowledge.dossier, self._policy, now_text)
        if request.method == "BYE":
            dossier = dossier.stopped(request)
        self._apply(Proposal(self.agreement, dossier, Reply.NOTHING, events))

    # --- offers of ours ----------------------------------------------------------------

    def want_pause(self, paused: bool) -> None:
        """The SRC shall send nothing; or shall again."""
        if self._policy.pause_src:
            self._own_offer.want(replace(self._own_offer.wanted, paused=paused))

    def want_dropped(self, index: int) -> bool:
        """The SRC shall close a stream. False where it is known not to."""
        if not self._own_offer.able:
            return False
        wanted = self._own_offer.wanted
        self._own_offer.want(replace(wanted, dropped=wanted.dropped | {index}))
        return True

    def ask(self) -> None:
        """Offer what we want and have not got, where nothing else is under way."""
        if self._awaited is not Awaited.NOTHING:
            return
        offered = self._own_offer.ask(self.agreement)
        if offered is not None:
            # Whatever becomes of it, this version of our SDP is spent.
            self.agreement = replace(self.agreement, sent=offered.sent)
            self._knowledge.put(SendInvite(self._dialog, offered.body))

    def answered(self, status: int, response: Response | None, now: float, wall: float) -> None:
        """The final response to our re-INVITE, or that it cannot be sent now (491)."""
        offered = self._own_offer.offered
        if offered is None:
            return
        if 200 <= status < 300 and response is not None:
            self._accepted(offered, response, wall)
        elif status == 491 and self._own_offer.met(now):
            return
        else:
            self._own_offer.refused(status)
            refused = response is not None or status == 491
            code = "sip-re-invite-refused" if refused else "sip-re-invite-unanswered"
            self._warn(warning(code, str(status)))

    def _accepted(self, offered: Agreement, response: Response, wall: float) -> None:
        try:
            self._conclude(response, offered, wall)
        except RemoteError as error:
            self._own_offer.refused(response.status)
            self._warn(warning("sip-bad-answer", error.reason))
        else:
            self._own_offer.done()

    # --- the inside -----------------------------------------------------------------------

    def _conclude(self, message: Request | Response, offered: Agreement, wall: float) -> None:
        dossier, now_text = self._knowledge.dossier, utc_text(wall)
        self._apply(conclude(message, offered, dossier, self._policy, now_text))

    def _apply(self, proposal: Proposal) -> None:
        """From here on it holds."""
        self.agreement = proposal.agreement
        self._knowledge.take(proposal.dossier, proposal.agreement.streams, proposal.events)

    def _intent_in_answer(self) -> Intent:
        """
        A pause is in our answers once the SRC has accepted it from us: of one that
        takes no re-INVITE we could not have the streams again.
        """
        wanted = self._own_offer.wanted
        return replace(wanted, paused=wanted.paused and self.agreement.intent.paused)

    def _ask_snapshot(self) -> None:
        if self._asks_snapshot:
            self._asks_snapshot = False
            self._knowledge.put(SendUpdate(self._dialog, snapshot.BODY, snapshot.HEADERS))

    def _warn(self, oddity: Oddity) -> None:
        self._knowledge.warn((oddity,), live=True)
