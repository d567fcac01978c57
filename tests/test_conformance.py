"""
The page of conformance says what is so: every row is there, and every test that it names.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import twisted_siprec
from twisted_siprec.sip.events import Flow, Transport, UserAgentSettings
from twisted_siprec.sip.uas import UserAgentServer

PACKAGE = Path(twisted_siprec.__file__).parent
ROOT = PACKAGE.parent
PAGE = ROOT / "docs" / "conformance.rst"
ROWS = 252
STATES = {"done", "by choice not", "open", "not applicable"}

_ROW = re.compile(
    r"^   \* - (\d+)\n     - (.+)\n     - (.+)\n     -((?:.*\n)(?:      .*\n)*)", re.M
)
_PARAMETERS = {
    "test_conversation": ROOT / "tests" / "conversations" / "{}.txt",
    "test_torture": ROOT / "tests" / "torture" / "{}.sip",
    "test_vendor": ROOT / "tests" / "conversations" / "vendors" / "{}.txt",
}


def rows() -> list[tuple[int, str, str, str]]:
    """Number, requirement, state, and what proves it or is the reason."""
    found = _ROW.findall(PAGE.read_text())
    return [(int(number), text, state, rest) for number, text, state, rest in found]


def named(rest: str) -> list[str]:
    """The tests that a row names."""
    return re.findall(r"``(tests/[^`]+)``", rest)


@cache
def definitions(path: str) -> frozenset[str]:
    """The names of the tests of a module, those of classes with their class."""
    found: set[str] = set()
    for node in ast.parse((ROOT / path).read_text()).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {
            prefix + each.name
            for each in inner
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    return frozenset(found)


def exists(test: str) -> bool:
    """There is such a test, with such a parameter."""
    path, _, name = test.partition("::")
    name, _, parameter = name.partition("[")
    if not (ROOT / path).exists() or name not in definitions(path):
        return False
    if not parameter:
        return True
    file = str(_PARAMETERS[name]).format(parameter.removesuffix("]"))
    return Path(file).exists()


class PageTests(SynchronousTestCase):
    """docs/conformance.rst."""

    def test_rows(self) -> None:
        """Every row once, in order."""
        self.assertEqual([number for number, *_ in rows()], list(range(1, ROWS + 1)))

    def test_states(self) -> None:
        """What is done is proved, what is not has its reason."""
        for number, _, state, rest in rows():
            self.assertIn(state, STATES, number)
            reason = re.sub(r"``[^`]*``|[|\s]", "", rest)
            self.assertTrue(named(rest) if state == "done" else reason, number)

    def test_tests(self) -> None:
        """Every test that is named exists."""
        missing = {test for *_, rest in rows() for test in named(rest) if not exists(test)}
        self.assertEqual(missing, set())

    def test_would_be_missed(self) -> None:
        """A test that does not exist is noticed, whatever is wrong with its name."""
        for test in (
            "tests/nowhere.py::test_x",
            "tests/test_conformance.py::PageTests::test_nothing",
            "tests/sip/test_conversations.py::test_conversation[nothing]",
        ):
            self.assertFalse(exists(test), test)


class StatusTests(SynchronousTestCase):
    """Statuses that make SRCs give up."""

    def test_never_sent(self) -> None:
        """421 wants an extension, 486 and 600 stop an SRC's hunt: nothing here answers so."""
        for file in PACKAGE.rglob("*.py"):
            if file.parent.name in ("sip", "siprec", "sdp", "routing"):
                numbers = {
                    node.value
                    for node in ast.walk(ast.parse(file.read_text()))
                    if isinstance(node, ast.Constant)
                }
                self.assertEqual(numbers & {421, 486, 600, 603}, set(), file)


class TokenTests(SynchronousTestCase):
    """What is drawn by lot."""

    def test_bits(self) -> None:
        """Our tag has 32 random bits or more (RFC 3261 section 19.3)."""
        asked: list[int] = []

        def token(digits: int) -> str:
            asked.append(digits)
            return "abcdef0123456789" * 4

        agent = UserAgentServer(UserAgentSettings(), lambda digits: token(digits)[:digits])
        ours = ("198.51.100.1", 5060)
        flow = Flow(Transport.UDP, "udp", ours, ("192.0.2.10", 5060), ours)
        agent.receive(
            b"OPTIONS sip:srs@198.51.100.1 SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n"
            b"From: <sip:src@192.0.2.10>;tag=1\r\nTo: <sip:srs@198.51.100.1>\r\n"
            b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            flow,
            0.0,
        )
        (response,) = agent.outputs()
        tag = re.search(rb"\r\nTo: .*;tag=([0-9a-f]+)\r\n", getattr(response, "octets"))  # noqa: B009
        self.assertIsNotNone(tag)
        self.assertGreaterEqual(max(asked), 8)
