"""
Calls that an operator sends somewhere else too, in mid-call; and whose calls they are.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.net.calls.test_recording_server import CALL, TAKEN, Recorder
from twisted_siprec.net.calls.calls import Copying
from twisted_siprec.net.calls.desk import MOST_COPIES
from twisted_siprec.net.calls.events import CallBegan, CallEvent, CallRedirected, CallRefused
from twisted_siprec.net.calls.recording import Reception
from twisted_siprec.plan import Destination
from twisted_siprec.routing.tenants import Quota


class CopyingTests(SynchronousTestCase):
    """Copying to, and no more."""

    def setUp(self) -> None:
        self.recorder = Recorder()
        self.server = self.recorder.server
        self.asked: list[tuple[str, str]] = []
        self.server._directory = self.named
        self.events: list[CallEvent] = []
        self.server.watch(lambda event, at: self.events.append(event))

    def named(self, name: str, tenant: str) -> Destination | None:
        self.asked.append((name, tenant))
        return None if name == "unknown" else Destination(name, "ws://x.example.com/")

    def gone_to(self) -> list[tuple[str, ...]]:
        return self.recorder.media.views["rec-1"].destinations

    def test_copy(self) -> None:
        """The media plane is told all of its destinations, and everybody is told the names."""
        self.recorder.replay(TAKEN)
        self.assertIs(self.server.copy("rec-1", "qa"), Copying.DONE)
        self.assertEqual(self.gone_to(), [("consumer", "qa")])
        self.assertEqual(self.events[-1], CallRedirected("rec-1", ("consumer", "qa")))
        self.assertEqual(self.server.calls()[0].destinations, ("consumer", "qa"))
        self.assertIs(self.server.uncopy("rec-1", "consumer"), Copying.DONE)
        self.assertEqual(self.gone_to()[1:], [("qa",)])
        self.assertEqual(self.server.statistics()["calls redirected"], 2)

    def test_refused(self) -> None:
        """What makes no sense changes nothing."""
        self.assertIs(self.server.copy("rec-1", "qa"), Copying.NO_CALL)
        self.recorder.replay(TAKEN)
        for copying, told in (
            (Copying.ALREADY, self.server.copy("rec-1", "consumer")),
            (Copying.NO_DESTINATION, self.server.copy("rec-1", "unknown")),
            (Copying.NOT_THERE, self.server.uncopy("rec-1", "qa")),
            (Copying.LAST, self.server.uncopy("rec-1", "consumer")),
            (Copying.NO_CALL, self.server.uncopy("rec-2", "consumer")),
        ):
            self.assertIs(told, copying)
        self.assertEqual(self.gone_to(), [])

    def test_bound(self) -> None:
        """A call is not sent elsewhere without end."""
        self.recorder.replay(TAKEN)
        for _ in range(MOST_COPIES):
            self.assertIs(self.server.copy("rec-1", "qa"), Copying.DONE)
            self.server.uncopy("rec-1", "qa")
        self.assertIs(self.server.copy("rec-1", "qa"), Copying.TOO_OFTEN)

    # --- whose calls they are ---

    def own(self, tenant: str) -> None:
        """All calls are a tenant's."""
        self.recorder.receive = lambda flow: Reception(  # type: ignore[method-assign]
            "all", self.recorder.policy, self.recorder.route, lambda description, fields: tenant
        )
        self.server._receive = self.recorder.receive

    def test_tenant(self) -> None:
        """The tenant of a call is in its summary, in its beginning, and asked for with a copy."""
        self.own("acme")
        self.recorder.replay(TAKEN)
        [began] = [event for event in self.events if isinstance(event, CallBegan)]
        self.assertEqual(began.tenant, "acme")
        self.assertEqual(self.server.calls()[0].tenant, "acme")
        self.assertEqual(self.server.call("rec-1")["tenant"], "acme")
        self.server.copy("rec-1", "qa")
        self.assertEqual(self.asked, [("qa", "acme")])

    def test_nobody(self) -> None:
        """A call of nobody's has no word of tenants."""
        self.recorder.replay(TAKEN)
        self.assertNotIn("tenant", self.server.call("rec-1"))

    def test_quota(self) -> None:
        """A tenant over its quota is refused as it is configured, and the refusal is its own."""
        self.own("acme")
        self.server._intake.limit_tenants({"acme": Quota(calls=1, status=486)})
        self.recorder.replay(TAKEN)
        self.recorder.replay(
            CALL.replace("> INVITE", "> INVITE sip:b@example.com") + "< 486\nack\n"
        )
        [refused] = [event for event in self.events if isinstance(event, CallRefused)]
        self.assertEqual(
            (refused.tenant, refused.status, refused.reason),
            ("acme", 486, "Too Many Calls Of This Tenant"),
        )
        self.server.hang_up("rec-1")
        self.recorder.replay(TAKEN)
        self.assertEqual(len(self.server.calls()), 1)
