"""How each dialect proves who we are; literal vectors."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.dialects.support import destination, started
from twisted_siprec.dialects import DIALECTS, dialect
from twisted_siprec.dialects.audiohook_signature import signature
from twisted_siprec.dialects.foreign import Foreign, Request, Secrets, UnusableSecret

URL = "wss://ai.example.com/media"
REQUEST = Request(URL, "127.0.0.1:3901", "/api/v1/audiohook/ws?x=1", 1760000000, "0123456789" * 3)
ORGANIZATION = "d7934305-0972-4844-938e-9060eef73d05"
SESSION = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
CORRELATION = "e160e428-53e2-487c-977d-96989bf5c99d"
API_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
CLIENT_SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
CLIENT_KEY = b"MySuperSecretKeyTellNo-1!2@3#4$5"


def foreign(protocol: str, **options: object) -> Foreign:
    """A dialect that has made its headers."""
    spoken = dialect(destination(protocol, **options))
    assert isinstance(spoken, Foreign)
    spoken.headers(started(spoken.destination))
    return spoken


class TwilioTests(SynchronousTestCase):
    """``X-Twilio-Signature``."""

    def test_sha1(self) -> None:
        """The HMAC of the URL and nothing else."""
        self.assertEqual(
            foreign("twilio").proof(REQUEST, Secrets(key="12345")),
            (("X-Twilio-Signature", "YN500Ddw+RvOiEk6SQN7QePYQ+g="),),
        )

    def test_signed_url(self) -> None:
        """What is signed can be another URL than what is called."""
        spoken = foreign("twilio", signed_url=URL)
        other = Request("ws://10.0.0.1:8080/media", "10.0.0.1:8080", "/media", 0, "")
        [(_, value)] = spoken.proof(other, Secrets(key="12345"))
        self.assertEqual(value, "YN500Ddw+RvOiEk6SQN7QePYQ+g=")

    def test_sha256(self) -> None:
        """The newer way says so in another field."""
        # printf wss://ai.example.com/media | openssl dgst -sha256 -hmac 12345 -binary | base64
        spoken = foreign("twilio", signature="HMAC_SHA256", signature_key_id="k1")
        self.assertEqual(
            spoken.proof(REQUEST, Secrets(key="12345")),
            (
                ("X-Twilio-Signature", "EEmb8wmrRRCrKHnvPjap0REG2RFsisYVxhcW/doS69k="),
                ("X-Twilio-Webhooks-Signature-Settings", "key=k1,algorithm=HMAC_SHA256"),
            ),
        )

    def test_unsigned(self) -> None:
        """Without a key there is none; a token goes its own way."""
        self.assertEqual(foreign("twilio").proof(REQUEST, Secrets()), ())
        self.assertEqual(
            foreign("twilio").proof(REQUEST, Secrets(token="t")), (("Authorization", "Bearer t"),)
        )


class AudioHookTests(SynchronousTestCase):
    """The draft of HTTP message signatures that AudioHook took."""

    def test_published(self) -> None:
        """The example that Genesys published, which covers ``host``."""
        parameters = (
            '("@request-target" "host" "audiohook-organization-id" "audiohook-session-id" '
            '"audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";'
            'nonce="VGhpc0lzQVVuaXF1ZU5vbmNl";alg="hmac-sha256";created=1641013200;'
            "expires=3282026430"
        )
        components = (
            ("@request-target", "/api/v1/voicebiometrics/ws"),
            ("host", "audiohook.example.com"),
            ("audiohook-organization-id", ORGANIZATION),
            ("audiohook-session-id", SESSION),
            ("audiohook-correlation-id", CORRELATION),
            ("x-api-key", API_KEY),
        )
        self.assertEqual(
            signature(CLIENT_KEY, components, parameters),
            "zupMJUMfd/kMuvKc5zhRyfJPE3jTROuz1S1hn8SCTpE=",
        )

    def test_headers(self) -> None:
        """What is covered, with what, until when; over the fields as they are sent."""
        spoken = foreign("audiohook", organization=ORGANIZATION)
        spoken._session, spoken._correlation = SESSION, CORRELATION  # type: ignore[attr-defined]
        request = Request(
            URL,
            "127.0.0.1:3901",
            "/api/v1/audiohook/ws?x=1",
            1760000000,
            "AAECAwQFBgcICQoLDA0ODxAR",
        )
        headers = dict(spoken.proof(request, Secrets(token=API_KEY, key=CLIENT_SECRET)))
        self.assertEqual(headers["X-API-KEY"], API_KEY)
        self.assertEqual(
            headers["Signature-Input"],
            'sig1=("@request-target" "@authority" "audiohook-organization-id" '
            '"audiohook-session-id" "audiohook-correlation-id" "x-api-key");'
            'keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh";nonce="AAECAwQFBgcICQoLDA0ODxAR";'
            'alg="hmac-sha256";created=1760000000;expires=1760000030',
        )
        self.assertEqual(
            headers["Signature"], "sig1=:WoOFPcnWZ3mjpVR4Juks8wTswA3psLbdTeR99O0Prc8=:"
        )

    def test_less(self) -> None:
        """Without a secret only the key is shown; without the key nothing is."""
        spoken = foreign("audiohook")
        self.assertEqual(spoken.proof(REQUEST, Secrets(token="k")), (("X-API-KEY", "k"),))
        self.assertEqual(spoken.proof(REQUEST, Secrets(key="QQ==")), ())

    def test_no_base64(self) -> None:
        """A secret that is not in base64 cannot be used, and it is not told which it is."""
        spoken = foreign("audiohook")
        error = self.assertRaises(
            UnusableSecret, spoken.proof, REQUEST, Secrets(token="k", key="not base64!")
        )
        self.assertNotIn("not base64!", str(error))

    def test_each_attempt(self) -> None:
        """Another attempt is another session, and the organization stays."""
        spoken = dialect(destination("audiohook"))
        start = started(destination("audiohook"))
        one, other = dict(spoken.headers(start)), dict(spoken.headers(start))
        self.assertEqual(one["Audiohook-Organization-Id"], other["Audiohook-Organization-Id"])
        self.assertNotEqual(one["Audiohook-Session-Id"], other["Audiohook-Session-Id"])
        self.assertNotEqual(one["Audiohook-Correlation-Id"], other["Audiohook-Correlation-Id"])


class TokenTests(SynchronousTestCase):
    """Where a token goes."""

    def test_tokens(self) -> None:
        """Authorization, in the words of each; a Bearer for all others."""
        odd = {
            "deepgram": ("Authorization", "Token t"),
            "assemblyai": ("Authorization", "t"),
            "audiohook": ("X-API-KEY", "t"),
        }
        for protocol in DIALECTS:
            if protocol == "recstream":
                continue
            expected = odd.get(protocol, ("Authorization", "Bearer t"))
            proof = foreign(protocol).proof(REQUEST, Secrets(token="t"))
            self.assertEqual(proof, (expected,), protocol)
            self.assertEqual(foreign(protocol).proof(REQUEST, Secrets()), (), protocol)

    def test_chosen(self) -> None:
        """Some have two ways."""
        self.assertEqual(
            foreign("deepgram", credential="bearer").proof(REQUEST, Secrets(token="t")),
            (("Authorization", "Bearer t"),),
        )
        self.assertEqual(
            foreign("openai", credential="api-key").proof(REQUEST, Secrets(token="t")),
            (("api-key", "t"),),
        )

    def test_repr(self) -> None:
        """No secret is in what a log may show."""
        self.assertEqual(repr(Secrets("a", "b")), "Secrets()")


class URLTests(SynchronousTestCase):
    """What is told in the URL."""

    def test_deepgram(self) -> None:
        """The format and the options; what the operator wrote stands."""
        spoken = foreign("deepgram", model="nova-3", language="en-US", tag="a b")
        url = spoken.url(
            "wss://api.deepgram.com/v1/listen?model=own&x=1", started(spoken.destination)
        )
        self.assertEqual(
            url,
            "wss://api.deepgram.com/v1/listen?model=own&x=1&encoding=linear16&sample_rate=8000"
            "&channels=2&multichannel=true&language=en-US&tag=a%20b"
            "&extra=siprec_session%3A30b0e395-84d3-4570-ac13-9a62d8f514c0"
            "&extra=sip_call_id%3Acall%40sbc",
        )

    def test_deepgram_alone(self) -> None:
        """One channel is not several; and the call need not be told of."""
        spoken = foreign("deepgram", layout="mono", encoding="PCMU", tell_call="false")
        self.assertEqual(
            spoken.url("ws://stt.example.com", started(spoken.destination)),
            "ws://stt.example.com/?encoding=mulaw&sample_rate=8000&channels=1",
        )

    def test_assemblyai(self) -> None:
        """The format and the options."""
        spoken = foreign("assemblyai", format_turns="true")
        self.assertEqual(
            spoken.url("wss://streaming.assemblyai.com/v3/ws", started(spoken.destination)),
            "wss://streaming.assemblyai.com/v3/ws?sample_rate=8000&encoding=pcm_s16le"
            "&format_turns=true",
        )

    def test_openai(self) -> None:
        """What the session is for; the beta is asked for in a field."""
        spoken = foreign("openai", api="beta")
        start = started(spoken.destination)
        self.assertEqual(
            spoken.url("wss://api.openai.com/v1/realtime", start),
            "wss://api.openai.com/v1/realtime?intent=transcription",
        )
        self.assertEqual(spoken.headers(start), (("OpenAI-Beta", "realtime=v1"),))

    def test_others(self) -> None:
        """Nobody else touches the URL."""
        for protocol in ("twilio", "audiohook", "jambonz", "vosk", "azure", "sinch"):
            spoken = foreign(protocol)
            self.assertEqual(spoken.url(URL, started(spoken.destination)), URL)

    def test_subprotocols(self) -> None:
        """Those that need one offer it, and another where it is chosen."""
        offered = {name: dialect(destination(name)).subprotocols for name in DIALECTS}
        self.assertEqual(
            {name: offers for name, offers in offered.items() if offers},
            {
                "recstream": ("recstream.v1.framed", "recstream.v1.plain"),
                "jambonz": ("audio.drachtio.org",),
                "asterisk": ("media",),
            },
        )
        self.assertEqual(foreign("jambonz", subprotocol="none").subprotocols, ())
        self.assertEqual(foreign("raw", subprotocol="pcm.v1").subprotocols, ("pcm.v1",))
