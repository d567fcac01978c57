#!/bin/sh
# Plays two WAV files as G.711 mu-law RTP, by ffmpeg: play.sh DIRECTORY PORT PORT
cd "$1" || exit 1
play() {
    exec ffmpeg -nostdin -loglevel error -re -i "$1.wav" -ar 8000 -ac 1 -c:a pcm_mulaw \
        -f rtp "rtp://127.0.0.1:$2?localrtpport=$3&pkt_size=172" >"$1.log" 2>&1
}
play caller "$2" 41000 &
play callee "$3" 41002 &
wait
