"""An OpenID provider of our own: a real server on loopback, whose word can be bent."""

import base64
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "payflow", "a secret of the client's"
Json = dict[str, Any]


@dataclass
class Provider:
    """What it is and what it will say; tests change it between visits."""

    issuer: str = ""
    rsa: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    ec: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    alg: str = "RS256"
    claims: Json = field(default_factory=dict)  # over the right ones; None takes one away
    is_down: bool = False
    too_much: bool = False
    grants: dict[str, Json] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def authorize(self, query: dict[str, str]) -> str:
        """What a browser is sent back with, once somebody has signed in."""
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.grants[code] = {**query}
        return code

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, Json]:
        wanted = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {wanted}":
            return 401, {"error": "invalid_client"}
        grant = self.grants.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest())
        if (
            grant is None
            or challenge.rstrip(b"=").decode() != grant["code_challenge"]
            or form["redirect_uri"] != grant["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self._signed(grant)}

    def _signed(self, grant: Json) -> str:
        now = int(time())
        right = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 60,
            "nonce": grant["nonce"],
            "email_verified": True,
            "groups": ["staff", "payflow-operators"],
            "name": "Alice",
        }
        claims = {k: v for k, v in {**right, **self.claims}.items() if v is not None}
        if self.alg == "none":
            parts = [{"alg": "none"}, claims]
            spelled = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
            return b".".join([*spelled, b""]).decode()
        if self.alg == "HS256":  # the public key as if it were a shared one
            head = {"alg": "HS256", "kid": self.rsa.kid}
            spelled = [_spelled(json.dumps(part).encode()) for part in (head, claims)]
            mac = hmac.digest(self.rsa.as_pem(private=False), b".".join(spelled), "sha256")
            return b".".join([*spelled, _spelled(mac)]).decode()
        signer = self.ec if self.alg == "ES256" else self.rsa
        return jwt.encode(
            {"alg": self.alg, "kid": signer.kid}, claims, signer, algorithms=[self.alg]
        )

    def answer(self, method: str, path: str, form: dict[str, str], auth: str) -> tuple[int, Json]:
        self.asked.append(path)
        if self.is_down:
            return 503, {}
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "filler": "x" * (1_000_000 if self.too_much else 0),
            }
        if path == "/keys":
            return 200, dict(KeySet([self.rsa, self.ec]).as_dict(private=False))
        if path == "/token" and method == "POST":
            return self.token(form, auth)
        return 404, {}


def _spelled(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


@contextmanager
def providing() -> Iterator[Provider]:
    """A provider that serves until the block is left."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(*provider.answer("GET", urlsplit(self.path).path, {}, ""))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {key: values[0] for key, values in parse_qs(body).items()}
            auth = self.headers.get("Authorization", "")
            self._say(*provider.answer("POST", urlsplit(self.path).path, form, auth))

        def _say(self, status: int, said: Json) -> None:
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                return  # whoever asked has read enough

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
