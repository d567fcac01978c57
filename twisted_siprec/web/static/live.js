// The page: its connection to the server, its views and its keys.

import { callView } from "./call.js";
import { $, destination, h, lasted, lossClass, mosClass, moment, party, percent, state } from "./dom.js";

const TOKEN = "siprec-token";

const app = {
  token: sessionStorage.getItem(TOKEN),
  calls: new Map(),
  status: null,
  skew: 0, // milliseconds from this clock to the server's
  socket: null,
  view: null,
  audio: null, // what takes binary messages
  roles: new Set(), // what the token is good for

  async api(path, method = "GET") {
    const headers = { Authorization: `Bearer ${app.token}` };
    const response = await fetch(path, { method, headers });
    if (response.status === 401) return logOut("The token is not the right one (any more).");
    const isJSON = (response.headers.get("content-type") || "").includes("json");
    const body = isJSON ? await response.json() : await response.text();
    if (!response.ok) throw new Error(body.detail || `${response.status}`);
    return body;
  },

  send(message) {
    if (app.socket?.readyState === WebSocket.OPEN) app.socket.send(JSON.stringify(message));
  },

  ask,
};

// --- the connection ---------------------------------------------------------------------

let attempts = 0;

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  app.socket = socket;
  socket.onopen = () => socket.send(JSON.stringify({ type: "hello", token: app.token }));
  socket.onmessage = (event) => {
    if (typeof event.data === "string") received(JSON.parse(event.data));
    else app.audio?.(event.data);
  };
  socket.onclose = (event) => {
    if (socket !== app.socket) return;
    say("not connected", "");
    app.view?.disconnected?.();
    if (event.code === 4401) logOut(event.reason.startsWith("the token is not") ? "The token is not the right one." : event.reason);
    else if (event.code === 4429) logOut(event.reason);
    else if (app.token) setTimeout(connect, Math.min(10000, 500 * 2 ** attempts++));
  };
}

function received(message) {
  if (message.type === "welcome") {
    attempts = 0;
    app.mayListen = message.listen;
    app.tenant = message.tenant;
    app.roles = new Set(message.roles);
    app.calls.clear();
    app.view?.connected?.();
  } else if (message.type === "calls") {
    for (const call of message.changed) app.calls.set(call.id, call);
    for (const id of message.gone) app.calls.delete(id);
    app.skew = Date.parse(message.now) - Date.now();
    setStatus(message.status);
    app.view?.calls?.();
  } else {
    app.view?.received?.(message);
  }
}

function setStatus(status) {
  app.status = status;
  $("count").textContent = status.calls || "";
  $("version").textContent = `twisted_siprec ${status.version}${app.tenant ? `, calls of ${app.tenant}` : ""}`;
  say(status.draining ? "draining: no new calls" : "taking calls", status.draining ? "warn" : "good");
  document.title = status.calls ? `(${status.calls}) Calls` : "Calls";
}

function say(text, tone) {
  if ($("server").textContent !== text) $("server").textContent = text;
  $("server").className = tone;
}

function logOut(why) {
  sessionStorage.removeItem(TOKEN);
  app.token = null;
  const socket = app.socket;
  app.socket = null;
  socket?.close();
  show(loginView(why));
}

// --- views --------------------------------------------------------------------------------

function loginView(why) {
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const form = h("form", { class: "card login" },
    h("h2", {}, "Who is there?"),
    why && h("p", { class: "bad", role: "alert" }, why),
    h("label", { for: "token" }, "A token of the configuration (web.token, web.tokens)"),
    field, h("button", { class: "strong" }, "Look at the calls"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    app.token = field.value.trim();
    sessionStorage.setItem(TOKEN, app.token);
    connect();
    route();
  });
  return { element: form, focus: field };
}

function table(calls, past) {
  const heads = ["State", "Calling", "Called", past ? "When" : "", "Time", "Source", "Codec", "Loss", "Jitter", "MOS", "To"];
  const numbers = new Set(["Time", "Loss", "Jitter", "MOS"]);
  return h("table", { class: "calls" },
    h("thead", {}, h("tr", {}, heads.filter(Boolean).map((head) =>
      h("th", { scope: "col", class: numbers.has(head) ? "number" : null }, head)))),
    h("tbody", {}, calls.map((call) => row(call, past))));
}

function row(call, past) {
  const go = () => { location.hash = `#/call/${encodeURIComponent(call.id)}`; };
  return h("tr", { class: "call", "data-id": call.id, onclick: go },
    h("td", { class: "first" }, state(call), call.warnings ? h("span", { class: "warn", title: `${call.warnings} warnings` }, " ⚠") : null),
    h("td", { class: "break wide" }, h("a", { href: `#/call/${encodeURIComponent(call.id)}` }, party(call.calling))),
    h("td", { class: "break wide", "data-name": "to" }, party(call.called)),
    past ? h("td", {}, moment(call.offered_at)) : null,
    h("td", { class: "number time" }, lasted(call, app.skew)),
    h("td", { class: "dim" }, call.tenant ? `${call.tenant}, ${call.source}` : call.source),
    h("td", {}, call.codecs.join(", ")),
    h("td", { class: `number ${lossClass(call.loss)}`, "data-name": "loss" }, percent(call.loss)),
    h("td", { class: "number", "data-name": "jitter" }, `${call.jitter_ms.toFixed(1)} ms`),
    h("td", { class: `number ${mosClass(call.mos)}`, "data-name": "MOS" }, call.mos?.toFixed(2) ?? "–"),
    h("td", { class: "wide" }, call.destinations.map(destination)));
}

function search(label, apply) {
  const field = h("input", { type: "search", id: "search", "aria-label": label, placeholder: label });
  field.addEventListener("input", apply);
  return field;
}

function callsView() {
  const body = h("div", { class: "card scroll" });
  const field = search("Search the calls in progress", draw);
  const drain = h("button", { class: "danger", onclick: async () => {
    if (await ask("Take no new calls?", "Those in progress go on. Only a restart ends this.")) await app.api("/api/v1/drain", "POST");
  } }, "Drain");
  const rows = new Map();
  function draw() {
    drain.disabled = Boolean(app.status?.draining);
    drain.hidden = Boolean(app.tenant) || !app.roles.has("steer");
    const words = field.value.toLowerCase().split(/\s+/);
    const shown = [...app.calls.values()].filter((call) => {
      const text = JSON.stringify(call).toLowerCase();
      return !call.ended_at && words.every((word) => text.includes(word));
    });
    const focused = document.activeElement?.closest("tr.call")?.dataset.id;
    body.replaceChildren(shown.length ? table(shown, false) : h("p", { class: "dim" }, app.status ? "No calls." : "Connecting …"));
    if (focused) body.querySelector(`tr[data-id="${CSS.escape(focused)}"] a`)?.focus();
    rows.clear();
    for (const each of body.querySelectorAll("tr.call")) rows.set(each.dataset.id, each.querySelector(".time"));
  }
  function tick() {
    for (const [id, cell] of rows) if (app.calls.has(id)) cell.textContent = lasted(app.calls.get(id), app.skew);
  }
  let before = "";
  draw();
  return {
    element: h("section", {}, h("div", { class: "bar" }, h("div", { class: "grow" }, field), drain), body),
    calls() {
      const now = JSON.stringify([...app.calls.values(), app.status?.draining]);
      if (now !== before) draw();
      before = now;
      tick();
    },
  };
}

function historyView() {
  const body = h("div", { class: "card scroll" });
  const kind = h("select", { "aria-label": "Which calls" }, h("option", { value: "false" }, "Recorded"), h("option", { value: "true" }, "Refused"));
  let timer;
  const field = search("Search what is over: parties, names, Call-ID, result", () => {
    clearTimeout(timer);
    timer = setTimeout(draw, 250);
  });
  kind.addEventListener("change", draw);
  async function draw() {
    const query = new URLSearchParams({ q: field.value, refused: kind.value, limit: "200" });
    try {
      const answer = await app.api(`/api/v1/history?${query}`);
      if (!answer) return;
      body.replaceChildren(answer.calls.length ? table(answer.calls, true) : h("p", { class: "dim" }, "Nothing is kept that fits."));
    } catch (error) {
      body.replaceChildren(h("p", { class: "bad", role: "alert" }, `${error.message}`));
    }
  }
  draw();
  return { element: h("section", {}, h("div", { class: "bar" }, h("div", { class: "grow" }, field), kind), body), connected: draw };
}

function show(view) {
  app.view?.leave?.();
  app.view = view;
  $("main").replaceChildren(view.element);
  (view.focus || $("main")).focus({ preventScroll: true });
  scrollTo(0, 0);
}

function route() {
  if (!app.token) return show(loginView());
  const [, name, id] = location.hash.split("/");
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === (name || "calls")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name === "call" && id) show(callView(app, decodeURIComponent(id)));
  else {
    app.send({ type: "follow", id: null });
    show(name === "history" ? historyView() : callsView());
  }
}

// --- questions and keys -------------------------------------------------------------------

/** Resolves to true, or to what was typed where a field is asked for; false where not. */
export function ask(title, text, field) {
  const dialog = $("ask");
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-field").hidden = !field;
  const input = $("ask-field").querySelector("input");
  $("ask-field").querySelector("span").textContent = field || "";
  input.value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  (field ? input : dialog.querySelector("button[value=yes]")).focus();
  input.onkeydown = (event) => {
    if (event.key === "Enter") { event.preventDefault(); dialog.close("yes"); }
  };
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "yes" ? (field ? input.value.trim() : true) : false);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("ask").open) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName);
  const links = [...document.querySelectorAll("tr.call a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "Escape") {
    if (typing) document.activeElement.blur();
    else if (location.hash.startsWith("#/call/")) history.back();
  } else if (!typing && event.key === "/" && $("search")) {
    event.preventDefault();
    $("search").focus();
  } else if (!typing && links.length && (event.key === "j" || event.key === "ArrowDown" && at >= 0)) {
    event.preventDefault();
    links[Math.min(at + 1, links.length - 1)].focus();
  } else if (!typing && links.length && (event.key === "k" || event.key === "ArrowUp" && at >= 0)) {
    event.preventDefault();
    links[Math.max(at - 1, 0)].focus();
  }
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
window.addEventListener("hashchange", route);
if (app.token) connect();
route();
