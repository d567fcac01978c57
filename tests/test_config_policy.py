"""
What the configuration says of the calls of an SRC, besides who may: what is asked of the
SRC, and what is passed on.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.sip_fakes import UDPMemoryReactor
from tests.vendor_replay import WatchedMedia
from twisted_siprec import recording_service as service
from twisted_siprec.config import ConfigurationError, parse
from twisted_siprec.config.differences import running
from twisted_siprec.sip.events import Flow, Transport
from twisted_siprec.siprec.session import SessionPolicy

CONFIGURATION = """
sip: {listeners: [{transport: udp, address: 198.51.100.1}]}
media: {pause_src: true, mask_dtmf: true}
sources:
  - {name: usual, networks: 192.0.2.1}
  - {name: touchy, networks: 192.0.2.2, pause_src: false, mask_dtmf: false, join: true}
hide: [participant.name, header.X-Account, extension.UCID]
"""


class PolicyTests(SynchronousTestCase):
    """What recording sessions are made with."""

    def setUp(self) -> None:
        """A service that is not started."""
        self.patch(service, "LocalMedia", lambda *_, **__: WatchedMedia())
        self.service = service.RecordingService(parse(CONFIGURATION), UDPMemoryReactor())

    def policy(self, host: str) -> SessionPolicy:
        """What applies to the calls of a host."""
        ours = ("198.51.100.1", 5060)
        flow = Flow(Transport.UDP, "udp", ours, (host, 5060), ours)
        reception = self.service.server._receive(flow)
        assert isinstance(reception, service.Reception)
        return reception.policy

    def test_pause_src(self) -> None:
        """A source has its own word on it, or that of media."""
        self.assertTrue(self.policy("192.0.2.1").pause_src)
        self.assertFalse(self.policy("192.0.2.2").pause_src)
        self.assertFalse(parse("").media.pause_src)

    def test_mask_dtmf(self) -> None:
        """A source has its own word on it, or that of media; off unless it is asked for."""
        self.assertTrue(self.policy("192.0.2.1").mask_dtmf)
        self.assertFalse(self.policy("192.0.2.2").mask_dtmf)
        self.assertFalse(parse("").media.mask_dtmf)

    def test_join(self) -> None:
        """Halves of calls are joined for the sources that ask for it."""
        self.assertFalse(self.policy("192.0.2.1").join)
        self.assertTrue(self.policy("192.0.2.2").join)

    def test_hide(self) -> None:
        """What is hidden is so for all, in any case of the letters."""
        self.assertEqual(
            self.policy("192.0.2.1").hide,
            frozenset({"participant.name", "header.x-account", "extension.ucid"}),
        )

    def test_glare(self) -> None:
        """The wait after glare is 0 to 2 s, and not always the same."""
        drawn = {self.policy("192.0.2.1").glare_delay_s() for _ in range(64)}
        self.assertTrue(all(0.0 <= each <= 2.0 for each in drawn))
        self.assertGreater(len(drawn), 1)


class HideTests(SynchronousTestCase):
    """The list of what is not passed on."""

    def test_lone(self) -> None:
        """One name stands for a list of one; without any, all is passed on."""
        self.assertEqual(parse("hide: caller").hide, frozenset({"caller"}))
        self.assertEqual(parse("").hide, frozenset())

    def test_unknown(self) -> None:
        """A name that hides nothing is a mistake: nobody shall think that it does."""
        for name in (
            "callers",
            "participant",
            "header.",
            "extension.a b",
            "xml.y",
            "participantXname",
        ):
            error = self.assertRaises(ConfigurationError, parse, f"hide: [{name}]")
            self.assertIn("hide[0]: found", str(error))
            self.assertIn("header.NAME or extension.NAME", str(error))

    def test_live(self) -> None:
        """It takes effect at the next call after a reload."""
        before, after = parse(""), parse("hide: caller")
        self.assertEqual(running(before, after).hide, frozenset({"caller"}))
