"""
A complete consumer: ``python framed_consumer.py PORT DIRECTORY``. Needs ``websockets``.

Of each stream it keeps the samples (.pcm), what it was told (.jsonl), and in .state
how far both are safe: that is what it acknowledges. Killed and started again, it goes
on at the very sample. The key * pauses the recording, # goes on. At the end its sum is
compared with the server's, printed, and a WAV file is made.
"""

import json
import os
import struct
import sys
import wave
from pathlib import Path

from websockets.sync.server import serve

HEADER = struct.Struct(">BBBBIQ")
ACK_EVERY_MS = 200
WINDOW_MS = 2000


class Stream:
    """What is known of one stream; what came after the last save is as if it had not."""

    def __init__(self, directory, stream_id):
        self.path = directory / stream_id
        state = self.path.with_suffix(".state")
        self.known = state.exists()
        self.state = {"frame": 0, "seq": 0, "pos": 0, "missing": 0, "octets": 0, "told": 0}
        if self.known:
            self.state = json.loads(state.read_text())
        self.audio = open(self.path.with_suffix(".pcm"), "r+b" if self.known else "w+b")
        self.told = open(self.path.with_suffix(".jsonl"), "r+b" if self.known else "w+b")
        for file, octets in ((self.audio, "octets"), (self.told, "told")):
            file.truncate(self.state[octets])
            file.seek(self.state[octets])
        self.unsafe = 0

    def begin(self, start):
        self.media = start["media"]
        self.width = self.media["channels"] * (2 if self.media["encoding"] == "L16" else 1)

    def hear(self, message):
        first, _flags, _track, _, frame, pos = HEADER.unpack_from(message)
        payload = message[HEADER.size :]
        if first & 15 == 1:  # silence, as a word
            payload = bytes(struct.unpack(">I", payload)[0] * self.width)
        samples = len(payload) // self.width
        have = max(0, self.state["pos"] - pos)  # after a late delivery, say
        if pos > self.state["pos"]:
            raise ValueError(f"nothing was said of {self.state['pos']} to {pos}")
        self.audio.write(payload[have * self.width :])
        self.state["pos"] = max(self.state["pos"], pos + samples)
        self.state["frame"] = frame + 1
        self.unsafe += samples

    def tell(self, text):
        kind, body = text["type"], text["data"]
        self.told.write(json.dumps(text).encode() + b"\n")
        self.state["seq"] = text["seq"]
        if kind == "gap" and body["filled"] == "none":
            lacking = max(0, body["pos"] + body["samples"] - self.state["pos"])
            self.audio.write(bytes(lacking * self.width))
            self.state["pos"] += lacking
            self.state["missing"] += lacking

    def save(self):
        for file in (self.audio, self.told):
            file.flush()
            os.fsync(file.fileno())
        self.state.update(octets=self.audio.tell(), told=self.told.tell())
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.state))
        new.replace(self.path.with_suffix(".state"))
        self.unsafe = 0

    def finish(self, stop):
        delivered = self.state["pos"] - self.state["missing"]
        exact = stop["finalPos"] == delivered + self.state["missing"]
        print(json.dumps({"delivered": delivered, "exact": exact, **self.state}), flush=True)
        if self.media["encoding"] == "L16":
            with wave.open(str(self.path.with_suffix(".wav")), "wb") as file:
                file.setnchannels(self.media["channels"])
                file.setsampwidth(2)
                file.setframerate(self.media["sampleRate"])
                file.writeframes(self.path.with_suffix(".pcm").read_bytes())


def consume(socket):
    stream, heard, said = None, 0, 0

    def say(kind, **body):
        nonlocal said
        said += 1
        socket.send(json.dumps({"type": kind, "seq": said, "ack": heard, "data": body}))

    for message in socket:
        if isinstance(message, bytes):
            stream.hear(message)
            if stream.unsafe * 1000 >= ACK_EVERY_MS * stream.media["sampleRate"]:
                stream.save()
                say("ack", frame=stream.state["frame"] - 1)
            continue
        text = json.loads(message)
        kind, body, heard = text["type"], text["data"], text["seq"]
        if kind in ("start", "resume"):
            stream = Stream(directory, text["streamId"])
            stream.begin(body["start"] if kind == "resume" else body)
            if kind == "resume" and stream.known:
                # lastSeq is of what is safe; start and resume do not count.
                say("resumed", fromFrame=stream.state["frame"], lastSeq=stream.state["seq"])
            else:
                say("ready", startAt="buffered", ackEveryMs=ACK_EVERY_MS, windowMs=WINDOW_MS)
            continue
        stream.tell(text)
        if kind == "dtmf" and body["digit"] == "*":
            say("pause")
        elif kind == "dtmf" and body["digit"] == "#":
            say("resume")
        elif kind == "format":
            stream.begin(body)
        elif kind == "stop":
            stream.save()
            if stream.state["frame"]:
                say("ack", frame=stream.state["frame"] - 1)
            say("bye", reason="done")
            stream.finish(body)


port, directory = int(sys.argv[1]), Path(sys.argv[2])
directory.mkdir(parents=True, exist_ok=True)
with serve(consume, "127.0.0.1", port, subprotocols=["recstream.v1.framed"]) as server:
    server.serve_forever()
