"""
Answers of the API as tables for a terminal.
"""

from __future__ import annotations

from typing import Any

from ..manhole.table import Table

_WIDEST = 100


def table(command: str, answer: dict[str, Any]) -> str:
    """The table for the answer to a command."""
    match command:
        case "calls":
            return repr(_calls(answer["calls"], "no calls"))
        case "history":
            return repr(_history(answer["calls"]))
        case "call":
            return _call(answer)
        case "copy" | "uncopy":
            rows = {"id": answer["id"], "to": tuple(answer["destinations"])}
            return repr(Table((), rows.items()))
        case "packets":
            return repr(_packets(answer["files"]))
        case "trace":
            return "\n".join(answer["traces"]) or "nothing is traced"
        case "sip":
            return _ladder(answer)
        case "token":
            return f"token  {answer['token']}\nhash   {answer['hash']}"
        case "status":
            return _status(answer)
        case _:
            return repr(Table((), answer.items()))


def safe(text: str) -> str:
    """What a peer wrote, without what would steer the terminal."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)


def _calls(calls: list[dict[str, Any]], empty: str) -> Table:
    # Where nobody has tenants, nothing is said of them.
    whose = ("tenant",) if any(call["tenant"] for call in calls) else ()
    heads = ("id", "state", "time", "calling", "called", "source", *whose)
    return Table(
        (*heads, "codecs", "loss", "mos", "to"),
        [
            (
                call["id"][:8],
                call["state"],
                _time(call["seconds"]),
                call["calling"],
                call["called"],
                call["source"],
                *(call[name] for name in whose),
                tuple(call["codecs"]),
                f"{100 * call['loss']:.1f} %",
                call["mos"],
                tuple(_destination(each) for each in call["destinations"]),
            )
            for call in calls
        ],
        empty=empty,
    )


def _packets(files: list[dict[str, Any]]) -> Table:
    return Table(
        ("call", "ended at", "octets", "file"),
        [(each["id"][:8], each["ended_at"][:19], each["octets"], each["path"]) for each in files],
        empty="no files: there is no flight_recorder, or no call yet",
        widest=_WIDEST,
    )


def _history(calls: list[dict[str, Any]]) -> Table:
    return Table(
        ("id", "offered at", "time", "calling", "called", "source", "result", "loss", "mos"),
        [
            (
                call["id"][:8],
                call["offered_at"][:19],
                _time(call["seconds"]),
                call["calling"],
                call["called"],
                call["source"],
                call["result"],
                f"{100 * call['loss']:.1f} %",
                call["mos"],
            )
            for call in calls
        ],
        empty="no calls",
    )


def _call(call: dict[str, Any]) -> str:
    known = call["description"] or {}
    head: list[tuple[str, object]] = [
        (name.replace("_", " "), call[name])
        for name in ("id", "call_id", "state", "result", "source", "tenant", "calling", "called")
        if name != "tenant" or call["tenant"]
    ]
    head += [("offered at", call["offered_at"]), ("time", _time(call["seconds"]))]
    head += [
        (f"participant {each['id']}", " ".join(filter(None, (each["name"], each["aor"]))))
        for each in known.get("participants", ())
    ]
    head += [(each["name"], each["value"]) for each in known.get("extensions", ())]
    head += [(f"warning {each['code']}", each["text"]) for each in call["warning_list"]]
    head += [(f"to {each['name']}", each["state"]) for each in call["destinations"]]
    streams = Table(
        ("stream", "codec", "packets", "lost", "late", "discarded", "jitter ms", "mos", "rtt ms"),
        [
            (
                each["label"] or each["index"],
                *(each[name] for name in ("codec", "packets", "lost", "late", "discarded")),
                each["max_jitter_ms"],
                each["mos"],
                each["rtt_ms"],
            )
            for each in call["streams"]
        ],
        empty="no streams",
    )
    deliveries = Table(
        ("to", "samples", "delivered", "missing", "gaps", "reconnects", "complete"),
        [
            (
                each["destination"],
                each["final_position"],
                each["delivered"],
                each["missing"],
                tuple(f"{reason} {ms} ms" for reason, ms in each["gaps_ms"].items()),
                each["reconnects"],
                each["complete"],
            )
            for each in call["deliveries"]
        ],
    )
    moments = Table(
        ("at", "what", ""),
        [(each["at"][11:23], each["kind"], _moment(each)) for each in call["moments"]],
        widest=_WIDEST,
    )
    parts = [Table((), head, widest=_WIDEST), streams, moments]
    if call["deliveries"]:
        parts.insert(2, deliveries)
    return "\n\n".join(repr(part) for part in parts)


def _ladder(answer: dict[str, Any]) -> str:
    blocks = []
    for message in answer["messages"]:
        arrow = "->" if message["outgoing"] else "<-"
        text = message["text"] if message["text"] is not None else message["summary"]
        blocks.append(safe(f"{message['at']} {arrow} {message['peer']}\n{text.rstrip()}\n"))
    if answer["forgotten"]:
        blocks.insert(0, f"({answer['forgotten']} messages are forgotten)\n")
    return "\n".join(blocks) or "no messages are kept"


def _status(answer: dict[str, Any]) -> str:
    rows = [(name.replace("_", " "), value) for name, value in answer.items() if name != "counters"]
    return repr(Table((), [*rows, *answer["counters"].items()]))


def _moment(moment: dict[str, Any]) -> str:
    return ": ".join(filter(None, (moment["destination"], moment["text"], moment["payload"])))


def _destination(each: dict[str, Any]) -> str:
    return each["name"] if each["state"] == "connected" else f"{each['name']} ({each['state']})"


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
