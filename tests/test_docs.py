"""
The manual keeps its word: it can be read, every page is reached, and what it names
(metrics, lines of the log, codes, commands, keys, files) exists.
"""

from __future__ import annotations

import re
import shlex
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import roles
from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from tests.dialects import support
from tests.docs_tables import DOCS, PARTS, TOP, log_lines, metrics, rewritten
from twisted_siprec import dialects
from twisted_siprec.audio import codec as codecs
from twisted_siprec.config import delivery
from twisted_siprec.config.loading import parse
from twisted_siprec.config.mistakes import ConfigurationError
from twisted_siprec.config.readers import Choice
from twisted_siprec.plan import Codec
from twisted_siprec.simulator import call_options, consumer_options, demo_options, replay
from twisted_siprec.siprec.leniency import WARNINGS
from twisted_siprec.web import ctl

PAGES = sorted(DOCS.glob("*.rst"))
READ = [*PAGES, TOP / "README.rst", TOP / "CHANGELOG.rst", TOP / "bench" / "README.rst"]
PROGRAMS = {
    "siprec-call": call_options.Options,
    "siprec-consumer": consumer_options.Options,
    "siprec-demo": demo_options.Options,
    "siprec-replay": replay.Options,
    "siprecctl": ctl.Options,
}
OF_ANOTHER_MACHINE = (
    "that exists",
    "is not set",
    "which is no destination",
    "spool.directory to be given",
)
"In the mistakes that a part of a configuration has on any machine but the reader's."
OF_THE_READER = {
    "twisted_siprec/dialects/house.py",
    "tests/dialects/traces/house.trace",
    "twisted_siprec/audio/s8.py",
}
"What is made in the course of docs/extending.rst."


@cache
def tree(page: Path) -> nodes.document:
    """A page as docutils reads it; its complaints are in it."""
    roles.register_local_role("doc", _doc)  # type: ignore[arg-type]  # docutils has no annotations
    settings = {"report_level": 2, "halt_level": 5, "warning_stream": False}
    settings |= {"syntax_highlight": "none", "file_insertion_enabled": False}
    return publish_doctree(page.read_text("utf-8"), str(page), settings_overrides=settings)


def _doc(name: str, raw: str, text: str, *rest: object, **options: object) -> Any:
    """Sphinx's :doc:, as the link that it is."""
    return [nodes.reference(raw, text, refuri=f"{text}.rst")], []


def links(page: Path) -> set[str]:
    """The files that a page links to, as it names them."""
    uris = (str(each["refuri"]) for each in tree(page).findall(nodes.reference) if "refuri" in each)
    return {uri.partition("#")[0] for uri in uris if not re.match(r"\w+:", uri)}


def literals(page: Path) -> list[str]:
    """What is between double backticks, on one line each."""
    return [" ".join(each.astext().split()) for each in tree(page).findall(nodes.literal)]


def blocks(page: Path, language: str = "") -> list[str]:
    """The literal blocks of a page; those of a language where one is named."""
    found = tree(page).findall(nodes.literal_block)
    return [each.astext() for each in found if not language or language in each["classes"]]


def code(page: str, language: str, beginning: str) -> str:
    """The one block of a page that begins so."""
    [found] = [each for each in blocks(DOCS / page, language) if each.startswith(beginning)]
    return found


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of ours that a page shows, as words."""
    for line in "\n".join(blocks(page)).splitlines():
        for command in re.split(r";\s(?=siprec)|\s&&\s", line.removeprefix("$ ")):
            lexer = shlex.shlex(command, posix=True, punctuation_chars="|>")
            lexer.whitespace_split = True
            name = Path(command.split(" ", 1)[0]).name
            if name in PROGRAMS and (words := list(lexer)):
                pipe = [index for index, word in enumerate(words) if set(word) <= set("|>")]
                yield [name, *words[1 : min(pipe, default=len(words))]]


class ReadingTests(SynchronousTestCase):
    """Pages."""

    def test_well_formed(self) -> None:
        """docutils has no complaint about any of them."""
        complaints = {
            str(page.relative_to(TOP)): [each.astext() for each in told if each["level"] > 1]
            for page in READ
            if (told := list(tree(page).findall(nodes.system_message)))
        }
        self.assertEqual({page: told for page, told in complaints.items() if told}, {})

    def test_index(self) -> None:
        """The index leads to every page, and begins with what the reader wants to do."""
        index = DOCS / "index.rst"
        self.assertLessEqual({page.name for page in PAGES} - {"index.rst"}, links(index))
        self.assertIn("What do you want to do?", index.read_text("utf-8")[:200])

    def test_links(self) -> None:
        """Whatever is linked exists."""
        for page in READ:
            missing = {each for each in links(page) if each and not (page.parent / each).exists()}
            self.assertEqual(missing, set(), page.name)

    def test_paths(self) -> None:
        """Files and directories of the checkout that a page names are there."""
        kinds = r"(docs|etc|tests|bench|twisted_siprec|sip|sdp|siprec|rtp|audio|bridge|net|web)/"
        for page in READ:
            for text in literals(page):
                path = text.partition("::")[0]
                if re.fullmatch(kinds + r"[\w/.-]+", path) and path not in OF_THE_READER:
                    near = (TOP / path, TOP / "twisted_siprec" / path)
                    self.assertTrue(any(each.exists() for each in near), f"{page.name}: {text}")

    def test_would_be_seen(self) -> None:
        """Of a broken page these tests do not approve."""
        broken = "Title\n==\n\n`a link <nowhere.rst>`_ and ``tests/nowhere.py``\n"
        page = Path(self.mktemp())
        page.write_text(broken)
        self.assertTrue(list(tree(page).findall(nodes.system_message)))
        self.assertEqual(links(page), {"nowhere.rst"})
        self.assertEqual(literals(page), ["tests/nowhere.py"])


class ExampleTests(SynchronousTestCase):
    """What a reader types."""

    def test_configurations(self) -> None:
        """Each part of a configuration is right, but for files that are on no other machine."""
        count = 0
        for page in READ:
            for text in blocks(page, "yaml"):
                count += 1
                try:
                    parse(text, page.name, self.mktemp(), {})
                except ConfigurationError as error:
                    wrong = [
                        each
                        for each in str(error).splitlines()
                        if not any(words in each for words in OF_ANOTHER_MACHINE)
                    ]
                    self.assertEqual(wrong, [], f"{page.name}:\n{text}")
        self.assertGreater(count, 20)

    def test_commands(self) -> None:
        """Each command is one that its program understands."""
        count = 0
        for page in READ:
            for name, *words in commands(page):
                count += 1
                try:
                    PROGRAMS[name]().parseOptions([each.replace("…", "x") for each in words])
                except usage.UsageError as error:
                    self.fail(f"{page.name}: {name} {shlex.join(words)}: {error}")
        self.assertGreater(count, 50)

    def test_a_wrong_command_is_seen(self) -> None:
        """An option that there is not is a mistake."""
        with self.assertRaises(usage.UsageError):
            call_options.Options().parseOptions(["sip:srs@HOST", "--no-such-thing"])


class TableTests(SynchronousTestCase):
    """What is made from the source."""

    def test_pages(self) -> None:
        """Every metric and every line of the log is there, and no other."""
        for page in PARTS:
            shown, wanted = (DOCS / page).read_text("utf-8"), rewritten(page)
            differing = set(shown.splitlines()) ^ set(wanted.splitlines())
            self.assertTrue(shown == wanted, f"{page}: python -m tests.docs_tables; {differing}")

    def test_metrics(self) -> None:
        """There is no metric in the manual that the server has not."""
        known = {name for name, *_ in metrics()}
        known |= {f"{name}_bucket" for name, kind, *_ in metrics() if kind == "histogram"}
        for page in PAGES:
            if page.name == "sbc.rst":
                continue  # what OpenSIPS and FreeSWITCH call theirs
            for text in literals(page):
                for name in re.findall(r"(?<![\w/])siprec_[a-z_]*[a-z]\b(?![(/.])", text):
                    self.assertIn(name, known, f"{page.name}: {text}")

    def test_levels(self) -> None:
        """The scan sees lines that are chosen, added together and of a level that varies."""
        texts = {(each.module, each.level, each.text) for each in log_lines()}
        for module, level, begins in (
            ("net.calls.log", "warn", "{call_id} {destination} got {delivered}"),
            ("net.calls.log", "info", "{call_id} recording {caller} to {called}"),
            ("net.calls.log", "debug", "{call_id} {method} from {source} refused"),
            ("net.workers.pool", "any", "{text} [worker {number}]"),
            ("net.driver", "critical", "A fault in {core}"),
        ):
            found = [t for m, lv, t in texts if (m, lv) == (module, level) and t.startswith(begins)]
            self.assertEqual(len(found), 1, begins)


class SilenceTests(SynchronousTestCase):
    """docs/silent.rst leads on by what the server really says."""

    PAGE = DOCS / "silent.rst"

    def said(self, word: str) -> list[str]:
        """The literals right after a word and a colon, up to the end of the sentence."""
        text = " ".join(self.PAGE.read_text("utf-8").split())
        found = re.findall(rf"{word}: (``.+?``(?:(?:,| or|, and never) ``.+?``)*)", text)
        return [each for group in found for each in re.findall(r"``(.+?)``", group)]

    def test_log(self) -> None:
        """Each line of the log is one that is written."""
        known = [re.sub(r"\[.*?\{\w+\}\]|\{\w+\}", "…", each.text) for each in log_lines()]
        said = self.said("Log")
        self.assertGreater(len(said), 10)
        for line in said:
            parts = [part.strip() for part in line.split("…") if part.strip()]
            written = any(all(part in each for part in parts) for each in known)
            self.assertTrue(written, line)

    def test_warnings(self) -> None:
        """Each code is one that there is."""
        said = self.said("Warning")
        self.assertGreater(len(said), 5)
        self.assertEqual(set(said) - set(WARNINGS), set())

    def test_refusals(self) -> None:
        """Each refusal has a reason that the source gives."""
        sources = "\n".join(each.read_text() for each in (TOP / "twisted_siprec").rglob("*.py"))
        said = [text for text in literals(self.PAGE) if re.match(r"[45]\d\d \w", text)]
        self.assertGreater(len(said), 10)
        for text in said:
            self.assertIn(text.partition(" ")[2], sources)


class WalkThroughTests(SynchronousTestCase):
    """docs/extending.rst, as it stands."""

    def module(self, package: str, name: str, text: str) -> ModuleType:
        """The code as a module of a package of ours."""
        made = ModuleType(f"{package}.{name}")
        made.__package__ = package
        sys.modules[made.__name__] = made
        self.addCleanup(sys.modules.pop, made.__name__)
        exec(compile(text, f"{name}.py", "exec"), made.__dict__)  # noqa: S102 - the page's
        return made

    def test_dialect(self) -> None:
        """The house dialect says and hears what its trace has; the configuration knows it."""
        text = code("extending.rst", "python", '"""The house protocol')
        house = self.module("twisted_siprec.dialects", "house", text).HouseDialect
        for table, value in ((dialects.DIALECTS, house), (dialects.TERMS, house.TERMS)):
            assert isinstance(table, dict)
            table["house"] = value
            self.addCleanup(table.pop, "house")
        known = delivery.DESTINATION_KEYS
        spoken = Choice({name: name for name in dialects.DIALECTS})
        self.patch(delivery, "DESTINATION_KEYS", {**known, "protocol": spoken})
        trace = code("extending.rst", "text", "% house")
        self.assertEqual("\n".join(support.replayed(trace.splitlines())), trace)
        destination = "destinations: {speech: {url: 'wss://x.example', protocol: house"
        parse(destination + ", options: {language: de}}}")
        with self.assertRaisesRegex(ConfigurationError, "language"):
            parse(destination + ", options: {language: '?'}}}")

    def test_codec(self) -> None:
        """S8 is taken by its name and rate, and gives back what was encoded, but for the noise."""
        made = self.module(
            "twisted_siprec.audio", "s8", code("extending.rst", "python", '"""S8: the upper')
        )
        line = code("extending.rst", "text", '"S8": _Known')
        known = eval(  # noqa: S307 - the page's
            f"{{{line}}}", {"_Known": codecs._Known, **vars(made)}
        )
        self.patch(codecs, "_KNOWN", {**codecs._KNOWN, **known})
        self.patch(codecs, "SUPPORTED", codecs.SUPPORTED | {"S8"})
        wanted = Codec(120, "S8", 12000)
        self.assertTrue(codecs.supports(wanted))
        self.assertFalse(codecs.supports(Codec(120, "S8", 16000)))
        samples = np.arange(-3000, 3000, 10, dtype=np.int16)
        payload = codecs.encoder(wanted).encode(samples)
        decoder = codecs.decoder(wanted)
        self.assertEqual(decoder.ticks(payload), 600)
        self.assertLess(np.abs(decoder.decode(payload) - samples).max(), 256)

    def test_consumer(self) -> None:
        """The consumer is a program (tests/interop/test_guides.py runs it)."""
        text = textwrap.dedent(code("extending.rst", "python", "# pip install websockets"))
        compile(text, "speaking.py", "exec")
