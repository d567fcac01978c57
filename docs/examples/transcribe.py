"""
Transcribes calls as they are spoken: ``python transcribe.py PORT``. Needs
``pip install websockets`` and the ``transcribe`` extra (moonshine-voice).

The destination has ``framing: framed`` and ``sample_rate: 16000``. What each party says
is printed under its name, and goes back to the server as an event of the call, from
where the webhooks, the live page and the call's record have it.
"""

import json
import struct
import sys
import threading

import numpy as np
from moonshine_voice import ModelArch, Transcriber, TranscriptEventListener, get_model_path
from websockets.sync.server import serve

HEADER = struct.Struct(">BBBBIQ")


class Party(TranscriptEventListener):
    """One channel of a call: its audio goes in, the lines that were said come out."""

    def __init__(self, channel, name, rate, tell):
        self.channel, self.name, self.rate, self.tell = channel, name, rate, tell
        self.stream = RECOGNISER.create_stream(update_interval=1.0)
        self.stream.add_listener(self)
        self.stream.start()

    def hear(self, samples):
        self.stream.add_audio((samples / 32768).tolist(), self.rate)

    def on_line_completed(self, event):
        line = event.line
        if line.text.strip():
            print(f"{line.start_time:6.1f} s  {self.name}: {line.text}", flush=True)
            self.tell(
                text=line.text,
                final=True,
                startMs=round(line.start_time * 1000),
                endMs=round((line.start_time + line.duration) * 1000),
                channel=self.channel["index"],
                participantId=self.channel["participantId"],
                role=self.channel["role"],
            )

    def finish(self):
        self.stream.stop()
        self.stream.close()


class Call:
    """What is known of one stream, over all its connections."""

    def __init__(self, tell):
        self.tell = tell  # how the words go back: it changes with each connection
        self.parties = []
        self.frame = self.pos = self.seq = 0

    def begin(self, start):
        people = {each["id"]: each for each in start.get("siprec", {}).get("participants", ())}
        self.width = start["media"]["channels"]
        for channel in start["channels"][len(self.parties) : self.width]:
            person = people.get(channel["participantId"], {})
            name = person.get("name") or channel["role"] or f"channel {channel['index']}"
            rate = start["media"]["sampleRate"]
            party = Party(channel, name, rate, lambda **words: self.tell(**words))
            party.hear(np.zeros(self.pos, "<i2"))  # whoever comes later has been silent
            self.parties.append(party)

    def hear(self, message):
        first, _flags, _track, _, self.frame, pos = HEADER.unpack_from(message)
        payload = message[HEADER.size :]
        if first & 15 == 1:  # silence, as a word
            payload = bytes(struct.unpack(">I", payload)[0] * self.width * 2)
        samples = np.frombuffer(payload, "<i2").reshape(-1, self.width)
        self.frame += 1
        self.feed(pos, samples)

    def feed(self, pos, samples):
        new = samples[max(0, self.pos - pos) :]
        self.pos = max(self.pos, pos + len(samples))
        for party, heard in zip(self.parties, new.T, strict=False):
            with ONE_AT_A_TIME:
                party.hear(heard)

    def told(self, kind, body, seq):
        self.seq = seq
        if kind == "format":
            self.begin(body)
        elif kind == "gap" and body["filled"] == "none":  # time goes on all the same
            self.feed(body["pos"], np.zeros((body["samples"], self.width), "<i2"))

    def finish(self):
        for party in self.parties:
            with ONE_AT_A_TIME:
                party.finish()


def consume(socket):
    call, said, heard = None, 0, 0

    def say(kind, **body):
        nonlocal said
        said += 1
        socket.send(json.dumps({"type": kind, "seq": said, "ack": heard, "data": body}))

    def tell(**words):
        say("event", name="transcript", payload=words)

    for message in socket:
        if isinstance(message, bytes):
            call.hear(message)
            continue
        text = json.loads(message)
        kind, body, stream, heard = text["type"], text["data"], text["streamId"], text["seq"]
        if kind == "resume" and stream in CALLS:  # the connection broke; we did not
            call = CALLS[stream]
            call.tell = tell
            say("resumed", fromFrame=call.frame, lastSeq=call.seq)
        elif kind in ("start", "resume"):
            call = CALLS[stream] = Call(tell)
            call.begin(body["start"] if kind == "resume" else body)
            say("ready", startAt="buffered")
        elif kind == "stop":
            call.finish()
            say("bye", reason="done")
            del CALLS[stream]
        else:
            call.told(kind, body, heard)


RECOGNISER = Transcriber(str(get_model_path("tiny-en")), ModelArch.TINY)
ONE_AT_A_TIME = threading.Lock()
CALLS = {}
with serve(consume, "127.0.0.1", int(sys.argv[1]), subprotocols=["recstream.v1.framed"]) as server:
    server.serve_forever()
