"""
The parts of the manual that are made from the source: every metric
(docs/metrics.rst) and every line of the log (docs/log.rst).

``python -m tests.docs_tables`` in the checkout writes them anew; tests/test_docs.py
compares.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.web.test_etc import series
from tests.web.test_inside_metrics import everything
from tests.web_fakes import FakeServer
from twisted_siprec.web.metrics import Metrics

TOP = Path(__file__).parents[1]
PACKAGE = TOP / "twisted_siprec"
DOCS = TOP / "docs"
BEGIN = ".. Written by python -m tests.docs_tables, from here"
END = ".. to here."

LEVELS = ("debug", "info", "warn", "error", "critical", "failure")
AREAS = (
    ("Calls", "net.calls"),
    ("SIP", "net.sip"),
    ("Media", "net.media"),
    ("Consumers, spool, recordings", "net.delivery"),
    ("Worker processes", "net.workers"),
    ("Webhooks", "net.webhooks"),
    ("Call records", "net.records"),
    ("Traces", "net.traces"),
    ("Web listener", "web"),
    ("Admin shell", "manhole"),
    ("The server", ""),
)
"Headings, and the modules whose lines are under them; the first that fits."


@dataclass(frozen=True, slots=True)
class Line:
    """A line that the log may have."""

    module: str
    level: str
    text: str
    "With its fields in braces, as the source has it."


# --- metrics -------------------------------------------------------------------------


def metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Name, kind, labels and meaning of each metric of ours."""
    registry = Metrics(FakeServer(), everything()).registry
    seen = series()
    for family in sorted(registry.collect(), key=lambda family: family.name):
        if not family.name.startswith("siprec_"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for each in family.samples for label in each.labels}
        collector = registry._names_to_collectors.get(family.name)
        labels |= set(getattr(collector, "_labelnames", ()))
        for suffix in ("", "_total", "_bucket"):
            labels |= seen.get(family.name + suffix, set())
        yield name, family.type, tuple(sorted(labels - {"le"})), family.documentation


def metrics_table() -> str:
    """All of them."""
    rows = [("name", "kind", "labels", "what")]
    for name, kind, labels, meaning in metrics():
        shown = ", ".join(f"``{label}``" for label in labels) or "\\"
        rows.append((f"``{name}``", kind, shown, meaning))
    return list_table(rows, "42 13 18 40")


# --- the log -------------------------------------------------------------------------


def log_lines() -> list[Line]:
    """Every line that the server's source writes, once for each module."""
    found: dict[Line, None] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if not module.startswith("simulator."):
            found.update(dict.fromkeys(_lines(module, ast.parse(path.read_text("utf-8")))))
    return list(found)


def _lines(module: str, tree: ast.Module) -> Iterator[Line]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and call.args:
                for level, text in _written(call, function):
                    yield Line(module, level, text)


def _written(
    call: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[tuple[str, str]]:
    """Level and text of a call of a logger, also where one is chosen beforehand."""
    match call.func:
        case ast.Attribute(value, "emit") if _is_log(value):
            levels = re.findall(r"LogLevel\.(\w+)", ast.unparse(call.args[0])) or ["any"]
            text = call.args[1]
        case ast.Attribute(value, level) if level in LEVELS and _is_log(value):
            levels, text = [level], call.args[0]
        case ast.Name(chosen):
            levels = _chosen(chosen, function)
            text = call.args[0]
        case _:
            return
    for level in levels:
        yield "critical" if level == "failure" else level, _text(text)


def _is_log(value: ast.expr) -> bool:
    return ast.unparse(value).rpartition(".")[2] in ("log", "_log")


def _chosen(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """``level = self._log.info if … else self._log.warn``."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return re.findall(r"_log\.(\w+)", ast.unparse(node.value))
    return []


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(str(text)):
            plain = re.sub(r"\{(\w+)(?:![rs])?(?::[^}]*)?\}", r"{\1}", text)
            return plain.replace("\n", " / ")
        case ast.BinOp(left, ast.Add(), right):
            return _text(left) + _text(right)
        case ast.IfExp(_, body, _):
            return f"[{_text(body)}]"
    raise AssertionError(f"what is logged by {ast.unparse(node)}?")


def log_tables() -> str:
    """All of them, by what they are about."""
    lines = log_lines()
    parts = []
    for heading, prefix in AREAS:
        here = [each for each in lines if _area(each.module) == prefix]
        rows = [("level", "line", "from")]
        rows += [(each.level, f"``{each.text.strip()}``", f"``{each.module}``") for each in here]
        parts.append(f"{heading}\n{'-' * len(heading)}\n\n{list_table(rows, '10 70 25')}")
    return "\n".join(parts)


def _area(module: str) -> str:
    for _, prefix in AREAS:
        if f"{module}.".startswith(f"{prefix}.") or not prefix:
            return prefix
    raise AssertionError(module)


# --- pages ---------------------------------------------------------------------------


def list_table(rows: list[tuple[str, ...]], widths: str) -> str:
    """A table whose first row is its head."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in rows:
        for number, cell in enumerate(row):
            lines.append(f"   {'*' if number == 0 else ' '} - {cell}")
    return "\n".join(lines) + "\n"


PARTS = {"metrics.rst": metrics_table, "log.rst": log_tables}


def rewritten(page: str) -> str:
    """A page with its made part as it has to be."""
    head, begin, rest = (DOCS / page).read_text("utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise AssertionError(f"{page} lacks {BEGIN!r} or {END!r}")
    return f"{head}{BEGIN}\n\n{PARTS[page]()}\n{END}{tail}"


if __name__ == "__main__":
    for name in PARTS:
        (DOCS / name).write_text(rewritten(name), "utf-8")
