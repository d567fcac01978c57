"""How many files may be open, against how many ports there are."""

from __future__ import annotations

import resource
from dataclasses import replace

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.config.model import Configuration
from twisted_siprec.descriptors import raise_descriptor_limit


class DescriptorLimitTests(SynchronousTestCase):
    """1,000 ports, for up to 500 calls of 16 streams: 1,000 + 256 + 2 for each call."""

    wanted = 2256

    def setUp(self) -> None:
        plain = Configuration()
        self.configuration = replace(
            plain,
            media=replace(plain.media, ports=(20000, 20999)),
            limits=replace(plain.limits, calls=500),
        )
        self.events: list[dict[str, object]] = []
        self.granted: list[tuple[int, int]] = []

    def ask(self, soft: int, hard: int, refused: bool = False) -> None:
        def grant(which: int, limits: tuple[int, int]) -> None:
            if refused:
                raise ValueError("not allowed to raise maximum limit")
            self.granted.append(limits)

        self.patch(resource, "getrlimit", lambda which: (soft, hard))
        self.patch(resource, "setrlimit", grant)
        raise_descriptor_limit(self.configuration, Logger("test", observer=self.events.append))

    def test_enough(self) -> None:
        """Where there are enough, nothing is asked for, and nothing said."""
        self.ask(self.wanted, self.wanted)
        self.ask(resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.assertEqual((self.granted, self.events), ([], []))

    def test_raised(self) -> None:
        """The limit is raised as far as is needed, and nothing said."""
        self.ask(1024, resource.RLIM_INFINITY)
        self.ask(1024, 4096)
        self.assertEqual(self.granted, [(self.wanted, resource.RLIM_INFINITY), (self.wanted, 4096)])
        self.assertEqual(self.events, [])

    def test_too_few(self) -> None:
        """Where the system allows no more, it is said how many are wanted, and what to do."""
        self.ask(1024, 2000)
        self.assertEqual(self.granted, [(2000, 2000)])
        (event,) = self.events
        self.assertEqual((event["granted"], event["wanted"]), (2000, self.wanted))
        self.assertIn("LimitNOFILE=", str(event["log_format"]))

    def test_refused(self) -> None:
        """Where it may not be raised at all, it is what it was."""
        self.ask(1024, 4096, refused=True)
        self.assertEqual([event["granted"] for event in self.events], [1024])
