// The page of one call.

import { destination, h, lasted, lossClass, mosClass, moment, party, percent, state, time } from "./dom.js";
import { ladder } from "./ladder.js";
import { listening } from "./listen.js";

export function callView(app, id) {
  const path = `/api/v1/calls/${encodeURIComponent(id)}`;
  const head = h("div", {});
  const facts = h("div", { class: "grid" });
  const sound = listening(app, id);
  const messages = h("div", { class: "ladder" }, h("p", { class: "dim" }, "…"));
  const metadata = h("pre", { tabindex: "0" }, "…");
  const received = h("section", { class: "card", hidden: true },
    h("h3", {}, "Metadata as received"), metadata);
  const problem = h("p", { class: "card problem", role: "alert", hidden: true });
  const steps = h("section", { class: "card" }, h("h3", {}, "SIP"), messages);
  let known = null;
  let clock = null;
  let seen = { messages: -1, revision: null };

  async function steer(word) {
    problem.hidden = true;
    try {
      await app.api(`${path}/${word}`, "POST");
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  }

  async function details() {
    if (!known) return;
    if (known.sip_messages !== seen.messages) {
      seen.messages = known.sip_messages;
      const answer = await app.api(`${path}/sip`).catch(() => null);
      if (answer) messages.replaceChildren(...ladder(answer));
    }
    const revision = known.has_metadata && (known.description?.revision ?? 0);
    if (revision !== false && revision !== seen.revision) {
      seen.revision = revision;
      const text = await app.api(`${path}/metadata`).catch(() => null);
      if (text) metadata.textContent = text;
      received.hidden = !text;
    }
  }

  function draw(call) {
    known = call;
    clock = h("span", {}, lasted(call, app.skew));
    const live = !call.ended_at;
    const steers = live && app.roles.has("steer");
    const paused = call.state === "paused";
    const focused = document.activeElement?.dataset?.act;
    head.replaceChildren(
      h("h2", {}, `${party(call.calling)} → ${party(call.called)}`),
      h("div", { class: "bar" }, state(call), clock,
        h("span", { class: "dim" }, [call.tenant, call.source, moment(call.offered_at)].filter(Boolean).join(", ")),
        h("span", {}, call.destinations.map(destination)),
        steers && button("pause", paused ? "Resume" : "Pause", () => steer(paused ? "resume" : "pause")),
        steers && button("hangup", "Hang up", async () => {
          if (await app.ask("End this call?", "The recording is ended by BYE; the caller's own call goes on.")) steer("hangup");
        }, "danger")));
    if (focused) head.querySelector(`[data-act="${focused}"]`)?.focus();
    const open = new Set([...facts.querySelectorAll("details[open]")].map((each) => each.dataset.key));
    const scrolled = facts.querySelector(".moments")?.scrollTop ?? 0;
    facts.replaceChildren(...cards(call).filter(Boolean));
    for (const each of facts.querySelectorAll("details")) each.open = open.has(each.dataset.key);
    if (facts.querySelector(".moments")) facts.querySelector(".moments").scrollTop = scrolled;
    sound.draw(call);
    details();
  }

  function button(name, text, act, tone) {
    return h("button", { "data-act": name, class: tone, onclick: act }, text);
  }

  app.send({ type: "follow", id });
  return {
    element: h("article", {}, h("p", {}, h("a", { href: "#/calls" }, "← Calls")), head, problem, sound.element, facts,
      h("div", { class: "grid" }, steps, received)),
    connected() { app.send({ type: "follow", id }); sound.connected(); },
    disconnected() { sound.disconnected(); },
    calls() { if (clock && known && !known.ended_at) clock.textContent = lasted(known, app.skew); },
    received(message) {
      if (message.type === "call" && message.id === id) {
        if (message.call) draw(message.call);
        else head.replaceChildren(h("p", { class: "card problem" }, "No such call: it never was, or it is forgotten."));
      } else sound.received(message);
    },
    leave() { sound.leave(); },
  };
}

function cards(call) {
  const about = call.description;
  return [
    card("Parties", about?.participants.length ? h("ul", { class: "plain" }, about.participants.map((each) => participant(call, each))) : h("p", { class: "dim" }, "The metadata names nobody.")),
    card("Streams", streams(call)),
    card("What was odd", call.warning_list.length
      ? h("ul", { class: "plain" }, call.warning_list.map((each) => h("li", {}, h("span", { class: "warn" }, "⚠ "), each.text, h("span", { class: "dim" }, ` ${each.code}`))))
      : h("p", { class: "good" }, "Nothing: the SRC keeps to the standard.")),
    call.deliveries.length ? card("Deliveries", deliveries(call)) : null,
    card("What happened", moments(call)),
    card("As understood", understood(call)),
  ];
}

const card = (title, ...content) => h("section", { class: "card" }, h("h3", {}, title), content);

function participant(call, each) {
  const channel = call.channels.find((one) => one.participant_id === each.id);
  const words = [channel?.role, channel && `channel ${channel.index}`, each.left_at && `left ${time(each.left_at)}`];
  return h("li", {}, h("strong", {}, each.name || party(each.aor)), " ", each.name ? h("span", {}, party(each.aor)) : null,
    h("div", { class: "dim" }, words.filter(Boolean).join(", ")));
}

function streams(call) {
  if (!call.streams.length) return h("p", { class: "dim" }, "Nothing is received.");
  const heads = ["Stream", "Codec", "Packets", "Lost", "Late", "Discarded", "Jitter", "Loss", "MOS"];
  return h("div", { class: "scroll" }, h("table", { class: "compact" },
    h("thead", {}, h("tr", {}, heads.map((head, index) => h("th", { scope: "col", class: index > 1 ? "number" : null }, head)))),
    h("tbody", {}, call.streams.map((each) => h("tr", {},
      h("td", {}, each.label ?? String(each.index)), h("td", {}, each.codec || "–"),
      [each.packets, each.lost, each.late, each.discarded].map((count) => h("td", { class: "number" }, count.toLocaleString())),
      h("td", { class: "number" }, `${each.max_jitter_ms.toFixed(1)} ms`),
      h("td", { class: `number ${lossClass(each.loss)}` }, percent(each.loss)),
      h("td", { class: `number ${mosClass(each.mos)}` }, each.mos?.toFixed(2) ?? "–"))))));
}

function deliveries(call) {
  return h("ul", { class: "plain" }, call.deliveries.map((each) => {
    const gaps = Object.entries(each.gaps_ms).map(([reason, ms]) => `${reason.replaceAll("_", " ")} ${ms} ms`);
    return h("li", {}, h("strong", {}, each.destination), each.channel == null ? "" : `, channel ${each.channel}`, ": ",
      h("span", { class: each.complete ? "good" : "bad" }, each.complete ? "complete" : "given up before the end"),
      h("div", { class: "dim" }, `${each.delivered.toLocaleString()} of ${each.final_position.toLocaleString()} samples, ${each.reconnects} reconnections, gaps: ${gaps.join(", ") || "none"}`));
  }));
}

function moments(call) {
  const tones = { warning: "warn" };
  return h("ol", { class: "plain moments", tabindex: "0", "aria-label": "What happened" },
    call.moments_forgotten ? h("li", { class: "dim" }, `${call.moments_forgotten} earlier ones are forgotten`) : null,
    call.moments.map((each, index) => h("li", { class: tones[each.kind] },
      h("time", { datetime: each.at }, time(each.at)),
      each.destination ? h("strong", {}, `${each.destination} `) : null, each.text,
      each.payload ? h("details", { "data-key": `moment${index}` }, h("summary", {}, "what it said"), h("pre", {}, each.payload)) : null)));
}

function understood(call) {
  const about = call.description;
  const pairs = [["Call-ID", call.call_id], ["Recording session", call.id], ["Answered after", call.answered_after_s == null ? null : `${(1000 * call.answered_after_s).toFixed(0)} ms`]];
  if (call.refusal) pairs.push(["Refused", `${call.refusal.status} ${call.refusal.reason}`]);
  if (about) {
    pairs.push(["SRC", about.src], ["Request-URI", about.request_uri], ["Revision", `${about.revision} (${about.mode})`]);
    for (const each of about.sessions) pairs.push(["Session", each.id], ["Group", each.group_id]);
    for (const each of about.streams) pairs.push([`Stream ${each.label ?? each.id}`, `sent by ${each.sent_by.map((one) => name(about, one)).join(", ") || "–"}`]);
    for (const each of [...about.extensions, ...about.headers]) pairs.push([each.name, each.value]);
  }
  return h("dl", {}, pairs.filter(([, value]) => value != null).flatMap(([key, value]) => [h("dt", {}, key), h("dd", {}, value)]));
}

function name(about, id) {
  const found = about.participants.find((each) => each.id === id);
  return found ? found.name || party(found.aor) : id;
}
