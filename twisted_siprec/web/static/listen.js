// How loud each channel is, the waveform of the whole call and of the last half minute,
// and listening live.

import { h, span } from "./dom.js";

const BARS = 600; // of a waveform, 20 a second
const SINCE = "The waveform and the gaps begin when this page is opened.";
const WHOLE = "Of each channel the whole call, and below it the last half minute. The gaps begin when this page is opened.";
const AGAIN_MS = 5000; // the whole call is asked for
const AHEAD_S = 0.4; // audio is played this long after it came, for what is late

export function listening(app, id) {
  const channels = new Map();
  const meters = h("div", { class: "meters" });
  const note = h("p", { class: "dim", role: "status" }, SINCE);
  const gaps = h("ol", { class: "plain moments", "aria-label": "Gaps", hidden: true });
  const hear = h("button", { "data-act": "listen", "aria-pressed": "false", onclick: toggle }, "Listen live");
  const element = h("section", { class: "card", hidden: true },
    h("div", { class: "bar" }, h("h3", { class: "grow" }, "What is heard"), hear), meters, note, gaps);
  let player = null;
  let metering = false;
  let frame = 0;
  let whole = null; // the waveform of the whole call
  let asking = 0;
  let left = false;

  async function history(call) {
    clearTimeout(asking);
    asking = 0;
    if (!call.has_waveform || left) return;
    whole = await app.api(`/api/v1/calls/${encodeURIComponent(id)}/waveform`).catch(() => whole);
    if (left || !whole) return;
    for (const each of whole.channels) channel(each.index);
    element.hidden = !whole.channels.length && element.hidden;
    frame ||= requestAnimationFrame(paint);
    if (!call.ended_at && note.textContent === SINCE) say(WHOLE, "dim");
    if (!call.ended_at) asking = setTimeout(() => history(known), AGAIN_MS);
  }

  let known = null;

  function meter(on) {
    if (metering !== on) app.send({ type: "meter", on });
    metering = on;
  }

  async function toggle() {
    if (player) return stop();
    const field = app.roles.has("listen") ? null : "The token for listening (web.listen_token)";
    const answer = await app.ask("Listen to this call?", "It is noted in the server's log who listens.", field);
    if (!answer) return;
    const token = field ? answer : null;
    player = new Player();
    app.audio = (octets) => player?.play(octets);
    metering = true;
    app.send({ type: "listen", on: true, token });
  }

  function stop() {
    if (player) app.send({ type: "listen", on: false });
    silence();
    shown(false);
  }

  function silence() {
    player?.close();
    player = app.audio = null;
  }

  function say(text, tone) {
    note.textContent = text;
    note.className = tone;
  }

  function shown(on) {
    hear.setAttribute("aria-pressed", String(on));
    hear.textContent = on ? "Stop listening" : "Listen live";
    hear.classList.toggle("strong", on);
  }

  function channel(index) {
    if (!channels.has(index)) {
      const label = h("span", {}, `Channel ${index}`);
      const level = h("span", { class: "dim" });
      const bar = h("meter", { min: "0", max: "1", low: "0.05", optimum: "0.5", high: "0.97", "aria-label": `Level of channel ${index}` });
      const canvas = h("canvas", { width: BARS, height: "64", role: "img", "aria-label": `Waveform of channel ${index}` });
      const course = h("canvas", { width: BARS, height: "40", class: "course", role: "img", hidden: true, "aria-label": `Waveform of the whole call, channel ${index}` });
      channels.set(index, { bars: [], label, level, bar, canvas, course });
      meters.replaceChildren(...[...channels.entries()].sort(([a], [b]) => a - b).map(([, each]) =>
        h("div", { class: "channel" }, h("div", { class: "label" }, each.label, each.level), each.bar, each.course, each.canvas)));
    }
    return channels.get(index);
  }

  function levels(message) {
    message.peaks.forEach((peaks, offset) => {
      const each = channel(message.first + offset);
      each.bars.push(...peaks);
      each.bars.splice(0, Math.max(0, each.bars.length - BARS));
    });
    frame ||= requestAnimationFrame(paint);
  }

  function gap(message) {
    const length = message.ms >= 1000 ? `${(message.ms / 1000).toFixed(1)} s` : `${message.ms} ms`;
    const where = message.channels.map((index) => channels.get(index)?.label.textContent ?? index).join(", ");
    const filled = { silence: "silence in its place", concealed: "concealed", none: "left out" }[message.filled];
    gaps.prepend(h("li", {}, h("time", {}, span(message.at_ms / 1000)), h("strong", { class: "warn" }, message.reason.replaceAll("_", " ")), ` ${length}, ${where}, ${filled}`));
    while (gaps.children.length > 50) gaps.lastChild.remove();
    gaps.hidden = false;
  }

  function paint() {
    frame = 0;
    for (const [index, each] of channels) {
      const now = Math.max(...each.bars.slice(-3), 0) / 32768;
      const decibels = now > 0 ? 20 * Math.log10(now) : -96;
      each.bar.value = Math.max(0, 1 + decibels / 60);
      each.level.textContent = decibels > -96 ? `${decibels.toFixed(0)} dB` : "silence";
      waveform(each.canvas, each.bars, index, BARS - each.bars.length);
      const course = whole?.channels.find((one) => one.index === index);
      each.course.hidden = !course;
      if (course) waveform(each.course, fitted(course.peaks), index, 0);
    }
  }

  function waveform(canvas, peaks, index, from) {
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(element).getPropertyValue(index % 2 ? "--two" : "--one");
    peaks.forEach((peak, at) => {
      const size = Math.max(1, Math.sqrt(peak / 32768) * height);
      context.fillRect(from + at, (height - size) / 2, 1, size);
    });
  }

  return {
    element,
    draw(call) {
      const live = !call.ended_at;
      const over = known && !known.ended_at && !live;
      known = call;
      // Once more at the end, for all of it.
      if ((!asking && !whole) || over) history(call);
      element.hidden = !live && !channels.size;
      hear.hidden = !live || !app.mayListen;
      if (live && app.socket?.readyState === WebSocket.OPEN) meter(true);
      if (!live) {
        stop();
        metering = false;
        say("The call is over.", "dim");
        for (const each of channels.values()) each.canvas.hidden = Boolean(whole);
      }
      for (const each of call.channels) {
        const who = call.description?.participants.find((one) => one.id === each.participant_id);
        const words = [who?.name || each.label || `channel ${each.index}`, each.role && `(${each.role})`];
        if (live || channels.has(each.index)) channel(each.index).label.textContent = words.filter(Boolean).join(" ");
      }
    },
    received(message) {
      if (message.type === "levels") levels(message);
      else if (message.type === "gap") gap(message);
      else if (message.type === "listening") {
        shown(message.on);
        say(whole ? WHOLE : SINCE, "dim");
      } else if (message.type === "refused") {
        say(message.detail, "bad");
        silence();
      }
    },
    connected() { metering = false; },
    disconnected() {
      metering = false;
      silence();
      shown(false);
    },
    leave() {
      left = true;
      clearTimeout(asking);
      stop();
      meter(false);
      cancelAnimationFrame(frame);
    },
  };
}

// As many values as there is room for, the greatest of those that come together.
function fitted(peaks) {
  return Array.from({ length: BARS }, (_, at) => {
    const first = Math.floor((at * peaks.length) / BARS);
    const last = Math.max(first + 1, Math.floor(((at + 1) * peaks.length) / BARS));
    return Math.max(0, ...peaks.slice(first, last));
  });
}

// Plays binary messages: channels side by side, index of the first, Hz, position, samples.
class Player {
  constructor() {
    this.context = new AudioContext();
    this.context.resume();
    this.begin = null;
  }

  play(octets) {
    const view = new DataView(octets);
    const [width, first, rate, position] = [view.getUint8(0), view.getUint8(1), view.getUint16(2, true), view.getUint32(4, true)];
    const samples = new Int16Array(octets, 8);
    const length = Math.floor(samples.length / width);
    if (!length) return;
    const at = position / rate;
    const now = this.context.currentTime;
    // Where we are too early or too late, begin anew.
    if (this.begin === null || this.begin + at < now || this.begin + at > now + 3) this.begin = now + AHEAD_S - at;
    for (let channel = 0; channel < width; channel++) {
      const buffer = this.context.createBuffer(1, length, rate);
      const target = buffer.getChannelData(0);
      for (let index = 0; index < length; index++) target[index] = samples[index * width + channel] / 32768;
      const source = this.context.createBufferSource();
      const side = this.context.createStereoPanner();
      side.pan.value = width === 1 && first === 0 ? 0 : (first + channel) % 2 ? 0.6 : -0.6;
      source.buffer = buffer;
      source.connect(side).connect(this.context.destination);
      source.start(this.begin + at);
    }
  }

  close() {
    this.context.close();
  }
}
