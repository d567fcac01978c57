"""The least that is a consumer: ``python plain_consumer.py PORT``. Needs ``websockets``."""

import asyncio
import json
import sys
import wave

import websockets


async def consume(socket):
    start = json.loads(await socket.recv())
    media = start["data"]["media"]
    with wave.open(start["streamId"] + ".wav", "wb") as file:
        file.setnchannels(media["channels"])
        file.setsampwidth(2)
        file.setframerate(media["sampleRate"])
        async for message in socket:
            if isinstance(message, bytes):
                file.writeframes(message)
            else:
                print(message, flush=True)


async def main():
    async with websockets.serve(consume, "127.0.0.1", int(sys.argv[1])):
        await asyncio.Future()


asyncio.run(main())
