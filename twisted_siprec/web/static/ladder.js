// The SIP ladder: who said what to whom, and the whole of it where one asks.

import { h, time } from "./dom.js";

export function ladder(answer) {
  const peers = [...new Set(answer.messages.map((message) => message.peer))];
  return [
    h("div", { class: "ends" }, h("span", {}, "SRC"), h("span", {}, "recorder")),
    answer.forgotten ? h("p", { class: "dim" }, `${answer.forgotten} messages are forgotten`) : "",
    ...answer.messages.map((message) => rung(message, peers.length > 1)),
    answer.messages.length ? "" : h("p", { class: "dim" }, "No messages are kept."),
  ];
}

function rung(message, manyPeers) {
  const words = message.summary.split(" ");
  const short = words[0].startsWith("SIP/") ? words.slice(1).join(" ") : words[0];
  const sequence = /^CSeq:\s*(.+)$/im.exec(message.text || "")?.[1];
  const named = words[0].startsWith("SIP/") && sequence ? `${short} (${sequence.split(" ").pop()})` : short;
  return h("details", { class: message.outgoing ? "out" : "in" },
    h("summary", { "aria-label": `${message.outgoing ? "sent" : "received"} ${message.summary}` },
      h("span", { class: "arrow" },
        message.outgoing ? h("span", { class: "head" }, "◀") : null,
        h("span", { class: "name" }, h("time", {}, time(message.at)), named, manyPeers ? h("span", { class: "dim" }, ` ${message.peer}`) : null),
        message.outgoing ? null : h("span", { class: "head" }, "▶"))),
    h("pre", { tabindex: "0" }, message.text ?? `${message.summary}\n\n(There was no room to keep the rest.)`));
}
