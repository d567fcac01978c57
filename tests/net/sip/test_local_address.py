"""Which addresses are ours, toward whom."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.net.sip.local_address import bindable


class BindableTests(SynchronousTestCase):
    """What the ports of media are bound on."""

    def test_wildcard(self) -> None:
        """All addresses are all of the family that is advertised."""
        for wildcard in ("0.0.0.0", "::", ""):
            self.assertEqual(bindable(wildcard, "2001:db8::1"), "::")
            self.assertEqual(bindable(wildcard, "192.0.2.1"), "0.0.0.0")
            self.assertEqual(bindable(wildcard, "srs.example.com"), "0.0.0.0")

    def test_address(self) -> None:
        """An address is itself, whatever SRCs are told: a NAT may lie between."""
        self.assertEqual(bindable("10.0.0.5", "203.0.113.5"), "10.0.0.5")
