"""
What a recogniser still understands: the word error rate of speech that came through
the media plane, beside the same recogniser on the speech itself.

    python bench/words.py [--codecs PCMU,G722,OPUS] [--loss 0,1,5,10] [--seeds 1]
                          [--wav WAV TEXT]

Needs ``pip install -e '.[codecs,transcribe]' jiwer``, and ``hibari-tts[fast]==0.2.1`` to
speak bench/words.txt (own text, some four minutes); a WAV file of your own and its text
take its place. The speech goes in RTP packets of 20 ms, which the network delays by 2 to
30 ms and loses at random, through a whole bridge on a simulated clock, so that a busy
machine changes nothing: what a consumer at 16 kHz gets, concealment as it is by default.
The recogniser is moonshine-voice with its tiny English model.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import Random

import numpy as np

from twisted_siprec.bridge.bridge import Bridge, Surroundings
from twisted_siprec.bridge.settings import MediaSettings
from twisted_siprec.dialects.base import Audio
from twisted_siprec.participants import Description
from twisted_siprec.plan import BridgePlan, ChannelPlan, Destination, StreamPlan
from twisted_siprec.rtp.datagram import Datagram
from twisted_siprec.rtp.header import RTPPacket
from twisted_siprec.simulator.sending import EncodedSpeech, Sending, encode
from twisted_siprec.simulator.speech import Samples, Speech, read
from twisted_siprec.simulator.words import words

try:
    from jiwer import process_words
    from moonshine_voice import ModelArch, Transcriber, get_model_path
except ImportError as absent:
    sys.exit(f"bench/words.py: {absent}; pip install -e '.[codecs,transcribe]' jiwer")

RATE = 16000
TEXT = Path(__file__).with_name("words.txt")
PAUSE_S = 0.4
"Between two sentences."
OPENED = 1000.0
STEP_S = 0.01
AFTER_S = 1.0
"From the last packet to the end of the call."
DELAY_S = (0.002, 0.03)


def spoken(text: str) -> Speech:
    """The text by a voice of the synthesiser, sentence by sentence."""
    try:
        from hibari import Hibari
    except ImportError as absent:
        sys.exit(f"bench/words.py: {absent}; pip install 'hibari-tts[fast]==0.2.1', or --wav")
    voice = Hibari()
    parts = []
    for number, sentence in enumerate(text.replace(". ", ".\n").split("\n")):
        if sentence.strip():
            parts.append(np.asarray(voice(sentence.strip(), seed=number)))
            parts.append(np.zeros(int(24000 * PAUSE_S)))
    samples = np.clip(np.concatenate(parts) * 32767 * 0.7, -32768, 32767)
    return Speech(samples.astype(np.int16), 24000).at(RATE)


class Judge:
    """The recogniser, and the words of what it was given."""

    def __init__(self, said: str) -> None:
        self._recogniser = Transcriber(str(get_model_path("tiny-en")), ModelArch.TINY)
        self.said = words(said)

    def errors(self, samples: Samples) -> int:
        """How many words are wrong, missing or too many."""
        audio = (samples / 32768).tolist()
        transcript = self._recogniser.transcribe_without_streaming(audio, RATE)
        heard = words(" ".join(line.text for line in transcript.lines))
        found = process_words(" ".join(self.said), " ".join(heard))
        return int(found.substitutions + found.deletions + found.insertions)


def arriving(speech: EncodedSpeech, loss: float, random: Random) -> list[Datagram]:
    """The packets that come, in the order in which they do."""
    came = []
    for number in range(len(speech.payloads)):
        payload = speech.payloads[number, : speech.sizes[number]].tobytes()
        if random.random() >= loss:
            stamp = speech.ticks * number & 0xFFFFFFFF
            packet = RTPPacket(speech.payload_type, not number, number & 0xFFFF, stamp, 7, payload)
            at = OPENED + number * speech.packet_s + random.uniform(*DELAY_S)
            came.append(Datagram(bytes(packet), ("192.0.2.1", 4000), at))
    return sorted(came, key=lambda datagram: datagram.arrived_at)


def recorded(speech: EncodedSpeech, loss: float, seed: int) -> tuple[Samples, float]:
    """What the consumer gets, and the percentage of the packets that it lacks."""
    wanted = Destination("words", "ws://consumer.example.com/", sample_rate=RATE)
    plan = BridgePlan(
        "b",
        "b",
        "192.0.2.9",
        (StreamPlan(0, speech.formats),),
        (ChannelPlan(0, (0,)),),
        (wanted,),
        Description("b", "c"),
        0.0,
    )
    bridge = Bridge(plan, Surroundings(MediaSettings(), lambda now: now, lambda: "s"), OPENED)
    came, at, now = arriving(speech, loss, Random(seed)), 0, OPENED
    parts: list[bytes] = []
    end = OPENED + len(speech.payloads) * speech.packet_s + AFTER_S
    while now < end:
        now += STEP_S
        begin = at
        while at < len(came) and came[at].arrived_at <= now:
            at += 1
        if at > begin:
            bridge.receive(0, came[begin:at])
        bridge.expire(now)
        for block in bridge.outputs():
            for _, items in block.parts:
                parts += [item.payload for item in items if isinstance(item, Audio)]
    counted = bridge.statistics()[0]
    lacking = 100 * (counted.lost + counted.late) / len(speech.payloads)
    return np.frombuffer(b"".join(parts), dtype="<i2"), lacking


def main() -> None:
    """A line for each codec and rate of loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--codecs", default="PCMU,G722,OPUS,OPUS:useinbandfec=1")
    parser.add_argument("--loss", default="0,1,5,10", help="percent")
    parser.add_argument("--seeds", type=int, default=1, help="calls for each line")
    parser.add_argument("--wav", nargs=2, metavar=("WAV", "TEXT"))
    options = parser.parse_args()
    text = Path(options.wav[1]).read_text() if options.wav else TEXT.read_text()
    text = " ".join(text.split())
    speech = read(Path(options.wav[0])).at(RATE) if options.wav else spoken(text)
    judge = Judge(text)
    count = len(judge.said)
    print(f"{count} words in {speech.seconds:.0f} s of speech\n")
    print(f"{'codec':19} loss, %  really  word errors, %")
    wrong = judge.errors(speech.samples)
    print(f"{'the speech itself':35} {100 * wrong / count:6.1f}", flush=True)
    for codec in options.codecs.split(","):
        encoded = encode(speech, Sending.of(codec))
        for percent in map(float, options.loss.split(",")):
            found = [recorded(encoded, percent / 100, seed) for seed in range(options.seeds)]
            rate = np.mean([100 * judge.errors(samples) / count for samples, _ in found])
            lost = np.mean([lacking for _, lacking in found])
            print(f"{codec:19} {percent:7g} {lost:7.1f} {rate:6.1f}", flush=True)


if __name__ == "__main__":
    main()
