"""Routes that divide calls among destinations."""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from twisted_siprec.plan import Destination
from twisted_siprec.routing.rules import CallFacts, Choice, Router, Rule, Share

A, B, C = (Destination(name, f"ws://{name}/") for name in "abc")
CHOICE = Choice((Share(A, 3), Share(B, 1)))


class ChoiceTests(SynchronousTestCase):
    """By weights, and by who is there."""

    def test_weights(self) -> None:
        """Three calls of four go to the one, each fourth to the other."""
        picked = Counter(CHOICE.pick(n / 100, lambda name: False).name for n in range(100))
        self.assertEqual(picked, {"a": 75, "b": 25})

    def test_out_of_reach(self) -> None:
        """Who is out of reach gets none, unless all are."""
        for draw in (0.0, 0.5, 0.999):
            self.assertEqual(CHOICE.pick(draw, lambda name: name == "a"), B)
        self.assertEqual(CHOICE.pick(0.0, lambda name: True), A)
        self.assertEqual(CHOICE.pick(0.99, lambda name: True), B)

    def test_route(self) -> None:
        """A call gets the destinations that are named and one of each choice; each once."""
        router = Router((Rule("all", destinations=(C,), choices=(CHOICE, Choice((Share(C, 1),)))),))
        routed = router.route(CallFacts(), lambda choice: choice.pick(0.9, lambda name: False))
        self.assertEqual(routed, (C, B))
        self.assertEqual(router.route(CallFacts()), (C, A))
