"""The laws of the API's client, against a server that answers as a broken one would."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from blumeops.errors import AccessDenied, UnknownAnswer, Unreachable
from blumeops.tailnet.client import ApiError, Client
from blumeops.target import Secret

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Server:
    """A real HTTP server that gives these answers in turn, the last one for ever."""

    answers: list[Answer] = field(default_factory=list)
    url: str = ""
    requests: int = 0
    stall: float = 0.0

    def client(self, *, deadline: float = 5.0) -> Client:
        return Client(self.url, Secret("key"), deadline=deadline)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = state.answers[min(state.requests, len(state.answers) - 1)]
            state.requests += 1
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(state.stall)

        def log_message(self, *_words: object) -> None:
            return None

    class Listening(ThreadingHTTPServer):
        def handle_error(self, *_words: object) -> None:
            """Say nothing of clients that hang up: that is what some of them are here for."""

    listening = Listening(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    yield state
    listening.shutdown()
    listening.server_close()


def test_a_web_page_as_an_error_keeps_its_status_and_its_first_words(server: Server) -> None:
    server.answers = [(502, {"Content-Type": "text/html"}, b"<html><h1>Bad Gateway</h1>")]
    with pytest.raises(ApiError, match=r"<html><h1>Bad Gateway</h1> \(502\)") as refused:
        server.client().policy()
    assert refused.value.status == 502


@pytest.mark.parametrize(
    "answer",
    [
        (304, {}, b""),
        (302, {}, b""),
        (200, {"ETag": '"x"'}, b""),
        (200, {}, b'{"acls": []}'),
        (200, {"Content-Type": "text/html", "ETag": '"x"'}, b"<html>log in</html>"),
    ],
    ids=["not-modified", "redirect-without-location", "empty", "without-etag", "a-web-page"],
)
def test_no_policy_is_never_read_as_an_empty_policy(server: Server, answer: Answer) -> None:
    server.answers = [answer]
    with pytest.raises(UnknownAnswer):
        server.client().policy()


def test_a_short_wait_is_waited_and_a_long_one_is_not(server: Server) -> None:
    fine = (200, {"ETag": '"x"'}, b"{}")
    server.answers = [(429, {"Retry-After": "0"}, b"{}"), (429, {"Retry-After": "0"}, b"{}"), fine]
    assert server.client().policy() == ("{}", "x")
    server.answers, server.requests = [(429, {"Retry-After": "3600"}, b"{}")], 0
    begun = time.monotonic()
    with pytest.raises(Unreachable, match="too many requests"):
        server.client().policy()
    assert time.monotonic() - begun < 3


def test_too_many_requests_for_ever_end(server: Server) -> None:
    server.answers = [(429, {"Retry-After": "0"}, b"{}")]
    with pytest.raises(Unreachable, match="too many requests"):
        server.client().policy()


def test_a_slow_answer_ends_at_the_deadline(server: Server) -> None:
    """Every byte comes in time, and the whole does not."""
    server.answers, server.stall = [(200, {"ETag": '"x"'}, b"{" + b" " * 100 + b"}")], 0.05
    begun = time.monotonic()
    with pytest.raises(Unreachable):
        server.client(deadline=0.5).policy()
    assert time.monotonic() - begun < 3


def test_half_an_answer_is_none(server: Server) -> None:
    server.answers = [(200, {"ETag": '"x"', "Content-Length": "500"}, b'{"acls": [')]
    with pytest.raises(Unreachable):
        server.client(deadline=1.0).policy()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_and_not_shown(server: Server, status: int) -> None:
    server.answers = [(status, {}, b'{"message": "API token invalid"}')]
    secret = "tskey-" + "x" * 20
    with pytest.raises(AccessDenied, match="TAILSCALE_API_KEY") as refused:
        Client(server.url, Secret(secret)).policy()
    assert secret not in str(refused.value)


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable):
            Client(f"http://127.0.0.1:{held.getsockname()[1]}", Secret("key")).policy()
