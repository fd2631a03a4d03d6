"""An OpenID provider on loopback: signs tokens, shows its keys, answers introspection.

At /token it gives opaque tokens for refresh tokens (RFC 6749 §6).
"""

import base64
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER = "https://id.example.test"
SECRET = "p:ss wörd"


class Provider:
    """`asked` counts requests by path; `down` answers 503; `active` are opaque tokens' claims.

    refresh     refresh tokens, and the claims of the access tokens that they are good for
    rotates     each refresh token is good for once, and another comes with what it gives
    lifetime    seconds that access tokens are said to be good
    clients     names and secrets, "": a public client
    """

    def __init__(self) -> None:
        self.keys = {"one": ec.generate_private_key(ec.SECP256R1())}
        self.active: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, int] = {}
        self.down = False
        self.refresh: dict[str, dict[str, Any]] = {}
        self.rotates = False
        self.lifetime = 3600
        self.clients = {"mailsuite": SECRET, "public": ""}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def token(self, key: str = "one", signer: Any = None, **claims: Any) -> str:
        """A JWT; claims may be changed, or left away by None."""
        whole = {
            "iss": ISSUER,
            "aud": "mailsuite",
            "exp": time.time() + 300,
            "email": "alice@example.test",
            **claims,
        }
        whole = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(whole, signer or self.keys[key], "ES256", headers={"kid": key})

    def answer(self, path: str, authorization: str, body: bytes) -> tuple[int, Any]:
        self.asked[path] = self.asked.get(path, 0) + 1
        if self.down:
            return 503, {}
        if path == "/token":
            return self.grant(authorization, {k: v[0] for k, v in parse_qs(body.decode()).items()})
        if path == "/jwks":
            found = []
            for name, key in self.keys.items():
                public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
                found.append({**public, "kid": name, "use": "sig", "alg": "ES256"})
            return 200, {"keys": found}
        wanted = base64.b64encode(b"mailsuite:p%3Ass%20w%C3%B6rd").decode()
        if authorization != f"Basic {wanted}":
            return 401, {}
        token = parse_qs(body.decode())["token"][0]
        claims = self.active.get(token)
        return 200, {"active": False} if claims is None else {"active": True, **claims}

    def grant(self, authorization: str, form: dict[str, str]) -> tuple[int, Any]:
        client, secret = form.get("client_id", ""), ""
        if authorization:
            pair = base64.b64decode(authorization.removeprefix("Basic ")).decode().split(":")
            client, secret = (unquote(half) for half in pair)
        if self.clients.get(client) != secret:
            return 401, {"error": "invalid_client"}
        claims = self.refresh.get(form["refresh_token"])
        if claims is None or form["grant_type"] != "refresh_token":
            return 400, {"error": "invalid_grant", "error_description": "expired or revoked"}
        token = secrets.token_hex(16)
        self.active[token] = claims
        found = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        if self.rotates:
            new = found["refresh_token"] = secrets.token_hex(16)
            self.refresh[new] = self.refresh.pop(form["refresh_token"])
        return 200, found


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            authorization = self.headers.get("Authorization", "")
            status, found = provider.answer(self.path, authorization, self.rfile.read(length))
            octets = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing to be told."""

    return Handler
