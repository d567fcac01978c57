"""
XML from a stranger, as a plain tree.

No document type, no entities, no external references (:mod:`defusedxml`), and
bounds on octets, elements and depth that hold while it is read. What is not well
formed is mended where that is safe (bare ampersands in display names, text after
the root, prefixes that are bound nowhere) and otherwise read as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from .leniency import Oddity, warning


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may hold."""

    octets: int = 524_288
    elements: int = 10_000
    depth: int = 32


@dataclass(slots=True)
class Element:
    """An element. Names are local names; ``key`` is the one to compare."""

    namespace: str
    name: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    text: str = ""

    @property
    def key(self) -> str:
        """The local name in lower case: dataMode and datamode are both on the wire."""
        return self.name.lower()

    def all(self, *keys: str) -> Iterator[Element]:
        """The children of these names, in their order."""
        return (child for child in self.children if child.key in keys)

    def first(self, *keys: str) -> Element | None:
        """The first child of these names."""
        return next(self.all(*keys), None)

    def text_of(self, *keys: str) -> str | None:
        """The text of the first such child, trimmed; None where it is blank or missing."""
        child = self.first(*keys)
        return (child.text.strip() or None) if child else None

    def attribute(self, *names: str) -> str | None:
        """The first of these attributes that is there and not blank, trimmed."""
        for name in names:
            value = self.attributes.get(name, "").strip()
            if value:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read of a document."""

    root: Element | None
    whole: bool = True
    "False where the end of the document is missing from it."
    text: str = ""
    "The document in Unicode."
    warnings: tuple[Oddity, ...] = ()


class _ExcessError(Exception):
    """The document holds more elements, or is deeper, than is read."""


class _Tree:
    """Builds the tree as the parser goes, so that the bounds hold meanwhile."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: list[Element] = []
        self._count = 0
        self.root: Element | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > self._limits.elements or len(self._open) >= self._limits.depth:
            raise _ExcessError
        namespace, name = _split_name(tag)
        local = {_split_name(key)[1]: value for key, value in attributes.items()}
        element = Element(namespace, name, local)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, tag: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def close(self) -> Element | None:
        return self.root


def read_xml(octets: bytes, charset: str | None = None, limits: Limits | None = None) -> Reading:
    """
    Read a document; never raises.

    :param charset: of the Content-Type; it wins over the XML declaration
        (:rfc:`7865#section-5.1`).
    """
    limits = limits or Limits()
    if len(octets) > limits.octets:
        return Reading(None, False, "", (warning("metadata-limit"),))
    text, warnings = _decoded(octets, charset)
    tree, fault = _parsed(text if charset else octets.strip(b" \t\r\n"), limits)
    if fault == "metadata-malformed":
        text = _mended(text)
        tree, fault = _parsed(text, limits)
        warnings.append(warning(fault or "metadata-repaired"))
    elif fault is not None:
        warnings.append(warning(fault))
    if fault == "metadata-unsafe":
        return Reading(None, False, "", tuple(warnings))
    return Reading(tree.root, fault is None, text, tuple(warnings))


def _parsed(document: str | bytes, limits: Limits) -> tuple[_Tree, str | None]:
    """The tree as far as it goes, and the code of what stopped it."""
    tree = _Tree(limits)
    parser = DefusedXMLParser(target=tree, forbid_dtd=True)
    try:
        parser.feed(document)
        parser.close()
    except DefusedXmlException:
        return tree, "metadata-unsafe"
    except _ExcessError:
        return tree, "metadata-limit"
    except (ParseError, LookupError, ValueError):
        return tree, "metadata-malformed"
    return tree, None


def _decoded(octets: bytes, charset: str | None) -> tuple[str, list[Oddity]]:
    """The document in Unicode, the declaration left as it is."""
    warnings: list[Oddity] = []
    declared = re.match(rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)", octets)
    words = [charset, declared[1].decode() if declared else None]
    if octets[:2] in (b"\xff\xfe", b"\xfe\xff"):
        words[1] = "utf-16"
    for word in words:
        if word is None:
            continue
        try:
            return octets.decode(word).lstrip("\ufeff"), warnings
        except (LookupError, ValueError):
            warnings.append(warning("metadata-charset", word))
    try:
        return octets.decode("utf-8-sig"), warnings
    except UnicodeDecodeError:
        return octets.decode("latin-1"), [*warnings, warning("metadata-charset")]


_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)")
_BARE_LESS = re.compile(r"<(?![A-Za-z_/!?])")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_ROOT = re.compile(r"<([A-Za-z_][\w.-]*(?::[\w.-]+)?)")
_PREFIX = re.compile(r"</?([A-Za-z_][\w.-]*):")


def _mended(text: str) -> str:
    """The document without the faults that have one plain meaning."""
    text = _DECLARATION.sub("", _FORBIDDEN.sub("", text))
    text = _BARE_LESS.sub("&lt;", _BARE_AMPERSAND.sub("&amp;", text))
    match = _ROOT.search(text)
    if match is None:
        return text
    closing = f"</{match[1]}>"
    end = text.rfind(closing)
    text = text[match.start() : end + len(closing)] if end >= 0 else text[match.start() :]
    bound = set(re.findall(r"xmlns:([\w.-]+)\s*=", text))
    loose = sorted(set(_PREFIX.findall(text)) - bound - {"xml"})
    declarations = "".join(f' xmlns:{prefix}="urn:unbound:{prefix}"' for prefix in loose)
    after = 1 + len(match[1])
    return text[:after] + declarations + text[after:]


def _split_name(tag: str) -> tuple[str, str]:
    namespace, brace, name = tag.rpartition("}")
    return (namespace.removeprefix("{"), name) if brace else ("", tag)
