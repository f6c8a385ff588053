"""A small HTTP server for one page and its requests, on the loopback interface only."""

import contextlib
import json
import os
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

ADDRESS = "127.0.0.1"
NAMES = ("localhost", ADDRESS, "[::1]")
"""Host headers that are accepted. Others may come from a remote page whose name resolves to this
machine (DNS rebinding)."""

MOST_CONNECTIONS = 32
"""Connections at a time; further ones are closed."""
PATIENCE = 10.0
"""Time limit of a request, in seconds."""
LINGER = 1.0
"""Time for which the rest of a request is read after the response, in seconds."""


class BadRequest(ValueError):
    """The body of a request is invalid."""


class Endpoint(NamedTuple):
    """What is answered to ``POST`` at one path."""

    kind: str
    """Media type of the requests."""
    most_bytes: int
    """Largest request body."""
    answer: Callable[[bytes], Any]
    """Takes the body of a request, returns a JSON-serializable object. May raise ``BadRequest``."""


class LoopbackServer(ThreadingHTTPServer):
    """Serve one page and respond to its requests, each connection in a thread.

    It listens on 127.0.0.1 only, and answers requests to loopback names only, so that no
    page from elsewhere reaches it through the browser. ``GET /`` is the page; ``POST`` to an
    endpoint gives JSON. All else is refused with a 4xx.

    Parameters
    ----------
    port : int
        Where to listen; 0 takes any that is free.
    page : callable
        Takes a nonce, which the page's own script and style must carry, and returns HTML.
    endpoints : mapping of str to Endpoint
        By their paths.

    Raises
    ------
    OSError
        If the port is in use or not allowed.
    """

    daemon_threads = True
    request_queue_size = MOST_CONNECTIONS
    allow_reuse_address = os.name == "posix"  # on Windows, two servers would share the port

    def __init__(
        self,
        port: int,
        *,
        page: Callable[[str], str],
        endpoints: Mapping[str, Endpoint],
    ) -> None:
        self.page, self.endpoints = page, endpoints
        self._free = threading.Semaphore(MOST_CONNECTIONS)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            raise OSError(
                f"Port {port} cannot be opened ({error.strerror}). "
                "Choose another with --port; --port 0 takes any that is free."
            ) from error
        self.hosts = {f"{name}:{self.server_port}" for name in NAMES}
        if self.server_port == 80:
            self.hosts.update(NAMES)

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{ADDRESS}:{self.server_port}/"

    def server_bind(self) -> None:
        """Bind, without HTTPServer's question to the name server for the machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, if there are not too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.close_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection once the client has done so.

        Closed while there is something to be read, it would be reset, and the client might
        lose the answer.
        """
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(LINGER)
            end = time.monotonic() + LINGER
            while request.recv(1 << 16) and time.monotonic() < end:
                pass
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors in one line, except that the client disconnected."""
        error = sys.exception()
        if not isinstance(error, (ConnectionError, TimeoutError)):
            print(f"mnist-estimator: {type(error).__name__}: {error}", file=sys.stderr)


class _Handler(BaseHTTPRequestHandler):
    """One request; the connection is closed after it."""

    server: LoopbackServer
    server_version, sys_version = "mnist-estimator", ""

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(PATIENCE)

    def handle(self) -> None:
        # A time for the whole request: the socket's own is for each piece of it.
        self._clock = threading.Timer(PATIENCE, self._stop_reading)
        self._clock.daemon = True
        self._clock.start()
        try:
            super().handle()
        finally:
            self._clock.cancel()

    def _stop_reading(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RD)

    def parse_request(self) -> bool:
        """Read the head of a request, and refuse it if it is not addressed to this server."""
        if not super().parse_request():
            return False
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1:
            return self._refuse(400, "A request needs one Host header.")
        if hosts[0].strip().lower() not in self.server.hosts:
            return self._refuse(403, f"The page is at {self.server.url} only.")
        path = self.path.partition("?")[0]
        if path != "/" and path not in self.server.endpoints:
            return self._refuse(404, f"There is nothing but the page, {self.server.url}")
        allowed = ("GET", "HEAD") if path == "/" else ("POST",)
        if self.command not in allowed:
            allow = ", ".join(allowed)
            return self._refuse(405, f"Only {allow} here.", Allow=allow)
        return True

    def do_GET(self) -> None:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        page = self.server.page(nonce)
        self._send(200, "text/html; charset=utf-8", page, {"Content-Security-Policy": policy})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        endpoint = self.server.endpoints[self.path.partition("?")[0]]
        question = self._read_body(endpoint)
        if question is None:
            return
        self._clock.cancel()  # the request is complete
        try:
            answer = json.dumps(endpoint.answer(question), allow_nan=False)
        except BadRequest as error:
            self._refuse(400, str(error))
        except Exception:
            self._refuse(500, "This could not be classified; see the terminal.")
            raise
        else:
            self._send(200, "application/json", answer)

    def _read_body(self, endpoint: Endpoint) -> bytes | None:
        """Return the body of a request, or refuse it."""
        kind, length = endpoint.kind, self.headers.get_all("Content-Length", [])
        problem: tuple[int, str] | None = None
        if any(
            origin.lower().removeprefix("http://") not in self.server.hosts
            for origin in self.headers.get_all("Origin", [])
        ):
            problem = 403, "Only the page itself may ask."
        elif self.headers.get_all("Transfer-Encoding") or not length:
            problem = 411, "A request needs a Content-Length, and no Transfer-Encoding."
        elif len(length) > 1 or not (length[0].isascii() and length[0].isdigit()):
            problem = 400, "Content-Length must be one whole number."
        elif len(length[0]) > 18 or int(length[0]) > endpoint.most_bytes:
            problem = 413, f"A request here has at most {endpoint.most_bytes:,} bytes."
        elif self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != kind:
            problem = 415, f"A request here has the type {kind}."
        if problem is None:
            with contextlib.suppress(TimeoutError):
                body = self.rfile.read(int(length[0]))
                if len(body) == int(length[0]):
                    return body
            problem = 408, "The request was cut short, or came too slowly."
        self._refuse(*problem)
        return None

    def _refuse(self, code: int, message: str, **headers: str) -> bool:
        """Answer with an error; False, for whoever asks whether to go on."""
        self._send(code, "text/plain; charset=utf-8", message + "\n", headers)
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what http.server finds wrong: whatever it is, the client did it."""
        code = 400 if code >= 500 else code
        self._refuse(code, message or HTTPStatus(code).phrase)

    def _send(self, code: int, kind: str, text: str, headers: dict[str, str] | None = None) -> None:
        body = text.encode("utf-8", "replace")
        self.request_version = self.protocol_version  # not HTTP/0.9, which has no status line
        self.send_response(code)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing."""
