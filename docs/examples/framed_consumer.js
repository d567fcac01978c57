// A complete consumer: node framed_consumer.js PORT DIRECTORY. Needs the package ws.
//
// Of each stream it keeps the samples (.pcm), what it was told (.jsonl), and in .state
// how far both are safe: that is what it acknowledges. Killed and started again, it goes
// on at the very sample. The key * pauses the recording, # goes on. At the end its sum is
// compared with the server's and printed.
"use strict";

const fs = require("fs");
const path = require("path");
const { WebSocketServer } = require("ws");

const ACK_EVERY_MS = 200;
const WINDOW_MS = 2000;
const HEADER_OCTETS = 16;

// What is known of one stream; what came after the last save is as if it had not.
class Stream {
  constructor(directory, streamId) {
    this.path = path.join(directory, streamId);
    this.known = fs.existsSync(this.path + ".state");
    this.state = { frame: 0, seq: 0, pos: 0, missing: 0, octets: 0, told: 0 };
    if (this.known) this.state = JSON.parse(fs.readFileSync(this.path + ".state", "utf8"));
    this.octets = this.state.octets;
    this.told = this.state.told;
    this.audioFile = fs.openSync(this.path + ".pcm", this.known ? "r+" : "w+");
    this.toldFile = fs.openSync(this.path + ".jsonl", this.known ? "r+" : "w+");
    fs.ftruncateSync(this.audioFile, this.octets);
    fs.ftruncateSync(this.toldFile, this.told);
    this.unsafe = 0;
  }

  begin(start) {
    this.media = start.media;
    this.width = this.media.channels * (this.media.encoding === "L16" ? 2 : 1);
  }

  write(octets) {
    this.octets += fs.writeSync(this.audioFile, octets, 0, octets.length, this.octets);
  }

  hear(message) {
    const frame = message.readUInt32BE(4);
    const pos = Number(message.readBigUInt64BE(8));
    let payload = message.subarray(HEADER_OCTETS);
    // Kind 1 is silence, as a word.
    if ((message[0] & 15) === 1) payload = Buffer.alloc(payload.readUInt32BE(0) * this.width);
    const samples = payload.length / this.width;
    if (pos > this.state.pos) throw new Error(`nothing was said of ${this.state.pos} to ${pos}`);
    this.write(payload.subarray((this.state.pos - pos) * this.width));
    this.state.pos = Math.max(this.state.pos, pos + samples);
    this.state.frame = frame + 1;
    this.unsafe += samples;
  }

  tell(text) {
    const line = Buffer.from(JSON.stringify(text) + "\n");
    this.told += fs.writeSync(this.toldFile, line, 0, line.length, this.told);
    this.state.seq = text.seq;
    const { pos, samples, filled } = text.data;
    if (text.type === "gap" && filled === "none") {
      const lacking = Math.max(0, pos + samples - this.state.pos);
      this.write(Buffer.alloc(lacking * this.width));
      this.state.pos += lacking;
      this.state.missing += lacking;
    }
  }

  save() {
    fs.fsyncSync(this.audioFile);
    fs.fsyncSync(this.toldFile);
    Object.assign(this.state, { octets: this.octets, told: this.told });
    fs.writeFileSync(this.path + ".new", JSON.stringify(this.state));
    fs.renameSync(this.path + ".new", this.path + ".state");
    this.unsafe = 0;
  }

  finish(stop) {
    const delivered = this.state.pos - this.state.missing;
    const exact = stop.finalPos === delivered + this.state.missing;
    console.log(JSON.stringify({ delivered, exact, ...this.state }));
  }
}

function consume(socket) {
  let stream = null;
  let said = 0;
  let heard = 0;

  function say(type, data) {
    said += 1;
    socket.send(JSON.stringify({ type, seq: said, ack: heard, data }));
  }

  function acknowledge() {
    stream.save();
    if (stream.state.frame > 0) say("ack", { frame: stream.state.frame - 1 });
  }

  function told(text) {
    const { type, data } = text;
    heard = text.seq;
    if (type === "start" || type === "resume") {
      stream = new Stream(directory, text.streamId);
      stream.begin(type === "resume" ? data.start : data);
      if (type === "resume" && stream.known) {
        // lastSeq is of what is safe; start and resume do not count.
        say("resumed", { fromFrame: stream.state.frame, lastSeq: stream.state.seq });
      } else {
        say("ready", { startAt: "buffered", ackEveryMs: ACK_EVERY_MS, windowMs: WINDOW_MS });
      }
      return;
    }
    stream.tell(text);
    if (type === "dtmf" && data.digit === "*") say("pause", {});
    if (type === "dtmf" && data.digit === "#") say("resume", {});
    if (type === "format") stream.begin(data);
    if (type === "stop") {
      acknowledge();
      say("bye", { reason: "done" });
      stream.finish(data);
    }
  }

  socket.on("message", (message, isBinary) => {
    if (!isBinary) {
      told(JSON.parse(message.toString("utf8")));
      return;
    }
    stream.hear(message);
    if (stream.unsafe * 1000 >= ACK_EVERY_MS * stream.media.sampleRate) acknowledge();
  });
}

const port = Number(process.argv[2]);
const directory = process.argv[3];
fs.mkdirSync(directory, { recursive: true });
const server = new WebSocketServer({
  host: "127.0.0.1",
  port,
  perMessageDeflate: false,
  handleProtocols: (offered) => offered.has("recstream.v1.framed") && "recstream.v1.framed",
});
server.on("connection", consume);
