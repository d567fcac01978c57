"""The judge of the fault suite: what it finds, and that it finds nothing where all is well."""

from __future__ import annotations

import json
from itertools import pairwise

from twisted.trial.unittest import SynchronousTestCase

from bench.faults_judge import judge, merged, read_accounts, read_journal
from bench.faults_plan import KINDS, plan

START = "start s c@h 8000 1000.000000 live\n"


def account(**changes: object) -> str:
    """A line of the server's log: 300 samples, of which 200 were delivered."""
    line = {
        "log_level": "info",
        "call_id": "c@h",
        "destination": "killed",
        "final": 300,
        "delivered": 200,
        "missing": 100,
    }
    return json.dumps({**line, **changes})


def verdict(journal: str, *log: str) -> list[str]:
    """What is wrong between the two."""
    accounts, wrong = read_accounts(log or (account(),))
    return wrong + judge("killed", read_journal(journal.splitlines(keepends=True)), accounts)


class JudgeTests(SynchronousTestCase):
    """A journal against an account."""

    def test_all_is_well(self) -> None:
        """What was delivered was heard, what is missing was named, in one life."""
        journal = f"life\n{START}audio s 0 200 1000.1\ngap s 200 100 reconnect\nstop s 300\n"
        self.assertEqual(verdict(journal), [])

    def test_over_two_lives(self) -> None:
        """The second may hear and be told again what the first had: it knows of nothing."""
        journal = (
            f"life\n{START}gap s 0 100 reconnect\naudio s 100 100 1000.1\n"
            f"life\n{START}gap s 0 100 reconnect\naudio s 100 200 1000.1\nstop s 300\n"
        )
        self.assertEqual(verdict(journal), [])

    def test_late(self) -> None:
        """A late delivery begins by what was acknowledged, whatever was heard beyond."""
        late = START.replace("live", "late")
        journal = (
            f"life\n{START}audio s 0 150 1000.1\n{late}gap s 100 100 reconnect\n"
            "audio s 200 100 1001.1\nstop s 300\n"
        )
        self.assertEqual(verdict(journal), [])

    def test_silent(self) -> None:
        """A hole that nobody named is found, though all sums are right."""
        journal = f"life\n{START}audio s 0 150 1000.1\ngap s 200 100 reconnect\nstop s 300\n"
        self.assertEqual(
            verdict(journal),
            ["killed c@h: of 0 to 300, the consumer was told of [(0, 150), (200, 300)] only"],
        )

    def test_named_twice(self) -> None:
        """The same samples in two gaps, in one life."""
        journal = (
            f"life\n{START}audio s 0 200 1000.1\ngap s 200 100 reconnect\n"
            "gap s 250 50 backpressure\nstop s 300\n"
        )
        self.assertEqual(verdict(journal), ["killed c@h: a gap was named twice"])

    def test_named_and_heard(self) -> None:
        """What one life heard is not missing."""
        journal = f"life\n{START}audio s 0 300 1000.1\ngap s 200 100 reconnect\nstop s 300\n"
        self.assertEqual(verdict(journal), ["killed c@h: what was heard was named as missing too"])

    def test_another_sum(self) -> None:
        """The consumer was told of less that is missing than the server counts."""
        journal = f"life\n{START}audio s 0 300 1000.1\nstop s 300\n"
        self.assertEqual(verdict(journal), ["killed c@h: 0 samples were named as missing, not 100"])

    def test_does_not_add_up(self) -> None:
        """The server's own sum."""
        journal = f"life\n{START}audio s 0 200 1000.1\ngap s 200 100 reconnect\nstop s 300\n"
        [wrong] = verdict(journal, account(delivered=199))
        self.assertIn("the account does not add up", wrong)

    def test_no_stop(self) -> None:
        """Only a stream that the server gave up may end without a word."""
        journal = f"life\n{START}audio s 0 200 1000.1\n"
        [wrong] = verdict(journal)
        self.assertIn("the consumer saw no stop", wrong)
        self.assertEqual(verdict(journal, account(log_level="warn")), [])

    def test_settled_late(self) -> None:
        """The late account takes the place of the first; without one, that is wrong."""
        journal = f"life\n{START}audio s 0 200 1000.1\ngap s 200 100 reconnect\nstop s 300\n"
        first = account(delivered=100, missing=0)
        spooled = json.dumps(
            {"call_id": "c@h", "destination": "killed", "spooled": 200, "stream_id": "s"}
        )
        late = json.dumps({"stream_id": "s", "final": 300, "delivered": 200, "missing": 100})
        self.assertEqual(verdict(journal, first, spooled, late), [])
        self.assertIn(
            "killed c@h: 200 samples were spooled and never settled",
            verdict(journal, first, spooled),
        )

    def test_unknown_to_the_server(self) -> None:
        """A stream of which the log has nothing."""
        journal = f"life\n{START}audio s 0 200 1000.1\n".replace("c@h", "d@h")
        self.assertIn("killed d@h: the server has no account of it", verdict(journal))

    def test_what_the_consumer_saw(self) -> None:
        """Its own check counts; what a frozen process says of time does not."""
        journal = (
            f"life\n{START}audio s 0 200 1000.1\ngap s 200 100 reconnect\nstop s 300\n"
            "violation stream s: not closed within 5 s of bye\n"
            "violation stream s: seq 4 after 2\n"
        )
        self.assertEqual(verdict(journal), ["killed: stream s: seq 4 after 2"])

    def test_cut_short(self) -> None:
        """A line that a kill cut short says nothing."""
        journal = read_journal(["life\n", START, "audio s 0 200 1000.1\n", "audio s 200 10"])
        self.assertEqual(journal.streams["s"].heard, [(0, 200)])

    def test_merged(self) -> None:
        """Spans that touch or overlap are one."""
        self.assertEqual(merged([(5, 9), (0, 3), (3, 4), (8, 10)]), [(0, 4), (5, 10)])


class PlanTests(SynchronousTestCase):
    """What goes wrong, and when."""

    def test_by_the_seed(self) -> None:
        """The same seed gives the same plan, another one another."""
        names = tuple(KINDS)
        self.assertEqual(plan(7, 60, names), plan(7, 60, names))
        self.assertNotEqual(plan(7, 60, names), plan(8, 60, names))

    def test_one_at_a_time(self) -> None:
        """Of one consumer, each is over before the next begins, and all by the end."""
        faults = plan(7, 600, ("cut",))
        self.assertGreater(len(faults), 20)
        for before, after in pairwise(faults):
            self.assertGreater(after.at_s, before.at_s + before.for_s)
        self.assertLessEqual(faults[-1].at_s + faults[-1].for_s, 600)

    def test_without_one(self) -> None:
        """What happens to a consumer does not depend on whether there are others."""
        alone = plan(7, 60, ("killed",))
        amid = [fault for fault in plan(7, 60, tuple(KINDS)) if fault.consumer == "killed"]
        self.assertEqual(alone, amid)
