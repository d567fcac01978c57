// Elements, and values as people read them. Whatever a peer sent becomes text, never HTML.

export function h(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export const $ = (id) => document.getElementById(id);

export function time(at) {
  return at ? new Date(at).toLocaleTimeString([], { hour12: false }) : "";
}

export function moment(at) {
  return at ? new Date(at).toLocaleString([], { hour12: false }) : "";
}

export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

export function lasted(call, skew) {
  const end = call.ended_at ? Date.parse(call.ended_at) : Date.now() + skew;
  return span((end - Date.parse(call.offered_at)) / 1000);
}

export function party(uri) {
  return (uri || "–").replace(/^(sips?|tel):/, "");
}

export const percent = (fraction) => `${(100 * fraction).toFixed(fraction && fraction < 0.1 ? 2 : 1)} %`;

export const lossClass = (fraction) => (fraction > 0.05 ? "bad" : fraction > 0.01 ? "warn" : "");

export const mosClass = (mos) => (mos == null ? "dim" : mos < 3.1 ? "bad" : mos < 3.8 ? "warn" : "good");

const STATES = { recording: "good", paused: "warn", ending: "dim", ended: "dim" };

export function state(call) {
  const word = call.result || call.state;
  const tone = call.result
    ? { call_ended: "good", operator: "good" }[call.result] || "bad"
    : STATES[call.state] || "warn";
  return h("span", { class: `state ${tone}` }, word.replaceAll("_", " "));
}

export function destination(each) {
  const tone = each.state === "connected" ? "good" : each.state === "connecting" ? "warn" : "bad";
  return h("span", { class: `destination ${tone}`, title: each.state }, `${tone === "good" ? "●" : "○"} ${each.name} `);
}
