from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.simulator.transaction import Action, ClientTransaction, State
from twisted_siprec.sip.events import Timers
from twisted_siprec.sip.message import Headers, Request

INVITE = Request(Headers(), method="INVITE", uri_text="sip:srs@192.0.2.9")
BYE = Request(Headers(), method="BYE", uri_text="sip:srs@192.0.2.9")


def transaction(request: Request, *, reliable: bool = False) -> ClientTransaction:
    """Begun at time 100."""
    return ClientTransaction(request, None, reliable, Timers(), 100.0)


def resent(row: ClientTransaction) -> list[float]:
    """When it is sent again, until it ends."""
    times = []
    while row.state is not State.TERMINATED:
        now = row.next_deadline()
        if row.expire(now):
            times.append(now - 100.0)
    times.append(now - 100.0)
    return times


class ClientTransactionTests(SynchronousTestCase):
    def test_invite_over_udp(self) -> None:
        """Timer A doubles without a limit; timer B ends it after 32 s."""
        self.assertEqual(resent(transaction(INVITE)), [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 32.0])

    def test_bye_over_udp(self) -> None:
        """Timer E doubles up to T2; timer F ends it after 32 s."""
        self.assertEqual(
            resent(transaction(BYE)),
            [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0],
        )

    def test_over_tcp(self) -> None:
        """Nothing is sent again over a reliable transport."""
        self.assertEqual(resent(transaction(INVITE, reliable=True)), [32.0])

    def test_provisional(self) -> None:
        """A 100 stops the retransmissions of an INVITE, and the wait begins anew."""
        row = transaction(INVITE)
        self.assertEqual(row.receive(100, 110.0), Action.TELL)
        self.assertEqual(row.next_deadline(), 142.0)
        self.assertTrue(row.waiting)

    def test_provisional_to_bye(self) -> None:
        """A 100 to a BYE is no news, and does not stop timer E."""
        row = transaction(BYE)
        self.assertEqual(row.receive(100, 100.1), Action.NOTHING)
        self.assertEqual(row.next_deadline(), 100.5)

    def test_success(self) -> None:
        """A 2xx is told and acknowledged once, then acknowledged each time that it comes again."""
        row = transaction(INVITE)
        self.assertEqual(row.receive(200, 101.0), Action.ACK_AND_TELL)
        self.assertEqual(row.receive(200, 101.5), Action.ACK)
        self.assertEqual((row.state, row.next_deadline()), (State.ACCEPTED, 133.0))

    def test_failure(self) -> None:
        """The same holds for a refusal, by another ACK."""
        row = transaction(INVITE)
        row.receive(180, 100.5)
        self.assertEqual(row.receive(488, 101.0), Action.ACK_AND_TELL)
        self.assertEqual(row.receive(488, 101.5), Action.ACK)
        self.assertEqual(row.state, State.COMPLETED)

    def test_success_after_failure(self) -> None:
        """A 200 after a 488 is of no meaning."""
        row = transaction(INVITE)
        row.receive(488, 101.0)
        self.assertEqual(row.receive(200, 102.0), Action.NOTHING)

    def test_answer_to_bye(self) -> None:
        """The answer to a BYE is told once; over UDP the end is kept for T4."""
        row = transaction(BYE)
        self.assertEqual(row.receive(481, 101.0), Action.TELL)
        self.assertEqual(row.receive(481, 101.1), Action.NOTHING)
        self.assertEqual(row.next_deadline(), 106.0)
        self.assertFalse(row.expire(106.0))
        self.assertEqual(row.state, State.TERMINATED)

    def test_answer_over_tcp(self) -> None:
        """Over TCP nothing can come again, so that nothing is kept."""
        row = transaction(BYE, reliable=True)
        row.receive(200, 101.0)
        self.assertEqual(row.next_deadline(), 101.0)

    def test_too_early(self) -> None:
        """Nothing happens before its time."""
        row = transaction(INVITE)
        self.assertFalse(row.expire(100.4))
        self.assertEqual(row.state, State.CALLING)
