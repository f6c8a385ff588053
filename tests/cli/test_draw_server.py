"""The server of a page for this computer alone, and what it refuses."""

import http.client
import json
import random
import socket
import threading
import time

import pytest

from mnist_estimator.cli.draw import _server
from mnist_estimator.cli.draw._server import BadRequest, Endpoint, LoopbackServer

KIND = "image/x-portable-graymap"
MOST_BYTES = 1_000_000


def answer(body):
    if body == b"bad":
        raise BadRequest("This is bad.")
    if body == b"broken":
        raise RuntimeError("broken within")
    return {"length": len(body)}


ENDPOINTS = {
    "/read": Endpoint(KIND, MOST_BYTES, answer),
    "/double": Endpoint("text/x-numbers", 10, lambda body: 2 * len(body)),
}


@pytest.fixture
def server():
    """A server that tells the length of what it is asked."""
    made = LoopbackServer(0, page=lambda nonce: f"<p>é {nonce}", endpoints=ENDPOINTS)
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    with made:
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def ask(server):
    """Send a request; return the status, the headers and the body of the answer."""

    def request(method="POST", path="/read", body=b"12345", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        fields = {"Content-Type": KIND} if method == "POST" else {}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body if method == "POST" else None, fields)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    return request


@pytest.fixture
def send(server):
    """Send bytes; return all that comes back."""

    def exchange(content, *, end=True):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
            client.sendall(content)
            if end:
                client.shutdown(socket.SHUT_WR)
            received = b""
            while piece := client.recv(1 << 16):
                received += piece
            return received

    return exchange


def head(server, *lines, host=None):
    """Return the head of a question with its Host header and further lines."""
    host = f"Host: 127.0.0.1:{server.server_port}" if host is None else host
    fields = ["POST /read HTTP/1.1", host, f"Content-Type: {KIND}", *lines]
    return "".join(f"{line}\r\n" for line in [*filter(None, fields), ""]).encode()


def status(received):
    assert received.startswith(b"HTTP/1.0 ")
    return int(received[9:12])


def test_page_and_answers(ask):
    code, headers, body = ask("GET", "/")
    assert code == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    nonce = body.decode().split()[-1]
    assert f"script-src 'nonce-{nonce}'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert ask("GET", "/?again")[2] != body  # another nonce
    code, headers, body = ask()
    assert (code, json.loads(body)) == (200, {"length": 5})
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_has_the_headers_of_the_page_and_no_body(ask):
    page, bare = ask("GET", "/"), ask("HEAD", "/")
    assert bare[0] == 200
    assert bare[1]["Content-Length"] == page[1]["Content-Length"] == str(len(page[2]))
    assert bare[2] == b""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LocalHost"])
def test_loopback_names_are_answered(name, server, ask):
    host = f"{name}:{server.server_port}"
    assert ask("GET", "/", Host=host)[0] == 200
    assert ask(Host=host, Origin=f"http://{host.lower()}")[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.:{port}", "127.0.0.2:{port}",
     "localhost.evil.example:{port}", "evil.example", "0.0.0.0:{port}", "127.0.0.1:{port}@e", ""],
)  # fmt: skip
def test_other_hosts_are_refused(host, server, ask):
    host = host.format(port=server.server_port)
    for method, path in [("GET", "/"), ("HEAD", "/"), ("POST", "/read")]:
        code, _, body = ask(method, path, Host=host)
        assert code == 403
        assert b"length" not in body


def test_one_host_is_wanted(server, send):
    twice = f"Host: 127.0.0.1:{server.server_port}\r\nHost: evil.example"
    assert status(send(head(server, "Content-Length: 1", host=twice) + b"x")) == 400
    assert status(send(head(server, "Content-Length: 1", host="") + b"x")) == 400
    assert status(send(b"GET / HTTP/1.0\r\n\r\n")) == 400
    assert status(send(b"GET /\r\n\r\n")) == 400  # HTTP/0.9


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://localhost:{port}", "http://localhost:1", "",
     "http://localhost", "http://localhost:{port}.evil.example", "file://"],
)  # fmt: skip
def test_other_origins_may_not_ask(origin, server, ask):
    assert ask(Origin=origin.format(port=server.server_port))[0] == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW", "get"])
def test_other_methods_are_refused(method, ask):
    for path in ("/", "/read"):
        code, headers, _ = ask(method, path)
        assert code == 405
        assert headers["Allow"] == ("GET, HEAD" if path == "/" else "POST")


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/read"), ("HEAD", "/read")])
def test_methods_of_the_other_path_are_refused(method, path, ask):
    assert ask(method, path)[0] == 405


@pytest.mark.parametrize(
    "path", ["/favicon.ico", "/../etc/passwd", "//x", "/read/", "/%2e%2e/", "/READ", "*"]
)
def test_there_is_nothing_else(path, ask):
    for method in ("GET", "HEAD", "POST"):
        assert ask(method, path)[0] == 404


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), 411),
        (("Transfer-Encoding: chunked",), 411),
        (("Content-Length: 3", "Transfer-Encoding: chunked"), 411),
        (("Content-Length: -3",), 400),
        (("Content-Length: +3",), 400),
        (("Content-Length: 3.0",), 400),
        (("Content-Length: ٣",), 400),
        (("Content-Length:",), 400),
        (("Content-Length: 3", "Content-Length: 3"), 400),
        ((f"Content-Length: {MOST_BYTES + 1}",), 413),
        ((f"Content-Length: {'9' * 5000}",), 413),
        (("Content-Length: 4",), 408),
    ],
)
def test_lengths_that_are_refused(lines, code, server, send):
    assert status(send(head(server, *lines) + b"abc")) == code


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]
)
def test_other_types_are_refused(kind, ask):
    assert ask(Content_Type=kind)[0] == 415


def test_each_path_has_its_own_type_size_and_answer(ask):
    kind = {"Content_Type": "text/x-numbers"}
    assert json.loads(ask(path="/double", body=b"123", **kind)[2]) == 6
    assert ask(path="/double", body=b"123")[0] == 415
    assert ask(path="/double", body=bytes(11), **kind)[0] == 413
    assert ask(path="/read", **kind)[0] == 415


def test_the_largest_question_is_answered_and_one_byte_more_refused(ask):
    most = MOST_BYTES
    assert json.loads(ask(body=bytes(most))[2]) == {"length": most}
    code, _, body = ask(body=bytes(most + 1))  # the answer comes, though nobody reads these bytes
    assert code == 413
    assert b"1,000,000" in body


def test_bad_questions_are_told_and_errors_within_too(ask, capfd):
    code, _, body = ask(body=b"bad")
    assert (code, body) == (400, b"This is bad.\n")
    assert capfd.readouterr().err == ""
    assert ask(body=b"broken")[0] == 500
    assert ask()[0] == 200
    assert capfd.readouterr().err == "mnist-estimator: RuntimeError: broken within\n"


def test_garbage_gets_a_4xx(send):
    generator = random.Random(0)
    garbage = [generator.randbytes(generator.randrange(1, 300)) + b"\r\n\r\n" for _ in range(60)]
    garbage += [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/x\r\n\r\n", b"GET / FTP\r\n\r\n", b"\x00\r\n\r\n",
        b"GET " + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"a b c d e\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]  # fmt: skip
    for content in garbage:
        received = send(content)
        assert not received or 400 <= status(received) < 500, content
        assert received or not content.split(b"\n")[0].strip(b"\r"), content


def test_stalled_clients_are_left_and_others_served(server, ask, monkeypatch):
    monkeypatch.setattr(_server, "PATIENCE", 0.5)
    port = server.server_port
    stalled = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
    stalled[1].sendall(b"POST /re")
    stalled[2].sendall(head(server, "Content-Length: 9") + b"abc")
    assert ask("GET", "/")[0] == 200
    answers = [client.recv(1 << 16) for client in stalled]  # ends when the server closes
    assert answers[0] == b""
    assert status(answers[2]) == 408
    for client in stalled:
        client.close()


def test_a_client_that_sends_byte_by_byte_is_left(server, monkeypatch):
    monkeypatch.setattr(_server, "PATIENCE", 0.5)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
        client.sendall(head(server, "Content-Length: 100000"))
        client.setblocking(False)
        received = b""
        while not received:  # each byte comes long before the patience with one is at its end
            client.send(b"x")
            time.sleep(0.02)
            try:
                received = client.recv(1 << 16)
            except BlockingIOError:
                continue
    assert status(received) == 408


def test_too_many_connections_are_closed_and_later_ones_served(server, ask):
    open_ones = [
        socket.create_connection(("127.0.0.1", server.server_port), timeout=20)
        for _ in range(_server.MOST_CONNECTIONS)
    ]
    deadline = time.monotonic() + 20
    while server._free.acquire(blocking=False):  # until each has its thread
        server._free.release()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
        assert client.recv(1) == b""
    for client in open_ones:
        client.close()
    while not server._free.acquire(blocking=False):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server._free.release()
    assert ask()[0] == 200


def test_many_questions_at_once(ask):
    answers = {}

    def one(length):
        answers[length] = json.loads(ask(body=bytes(length))[2])["length"]

    threads = [threading.Thread(target=one, args=(length,)) for length in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {length: length for length in range(1, 25)}


def test_a_port_in_use_is_told(server):
    port = server.server_port
    with pytest.raises(OSError, match=f"Port {port} cannot be opened .*--port 0 takes any"):
        LoopbackServer(port, page=str, endpoints=ENDPOINTS)


def test_only_loopback_is_listened_on(server):
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"
