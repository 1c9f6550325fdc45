"""A client of Tailscale's API v2, for what BlumeOps itself reads and writes beside the engine.

The official client loses the status of an error whose body is not JSON, and takes a redirect for an
empty answer; here both are errors, because an empty policy would be planned as a wipe.
"""

from __future__ import annotations

import functools
import json
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from blumeops import mode
from blumeops.errors import AccessDenied, EngineError, UnknownAnswer, Unreachable
from blumeops.target import Secret, Tailnet

DEADLINE_SECONDS = 10.0
RETRIES = 3
LONGEST_WAIT_SECONDS = 5.0
"""A server may ask for more with Retry-After; then the answer is `Unreachable`, not a longer wait."""
HUJSON = {"Accept": "application/hujson"}
DEFAULT_POLICY = "ts-default"
"""The If-Match value that means: only while the policy is still the one that the tailnet came with."""


class ApiError(EngineError):
    """The API refused a request; `status` is the HTTP status, `problems` what the server listed."""

    def __init__(self, what: str, *, status: int, where: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__("; ".join([what, *problems]), where=where)
        self.status = status
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer: the body as text and the headers, their names in lower case."""

    text: str
    headers: Mapping[str, str]
    where: str

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises `UnknownAnswer` when it is anything else."""
        try:
            value = json.loads(self.text)
        except ValueError as error:
            raise UnknownAnswer(f"not JSON: {_head(self.text)}", where=self.where) from error
        if not isinstance(value, dict):
            raise UnknownAnswer(f"not a JSON object: {_head(self.text)}", where=self.where)
        return value

    @property
    def etag(self) -> str:
        """The ETag without its quotes."""
        return self.headers.get("etag", "").removeprefix("W/").strip('"')


@dataclass(frozen=True, slots=True)
class Dns:
    """The tailnet's DNS settings; `split` maps a domain to its nameservers."""

    nameservers: tuple[str, ...] = ()
    magic_dns: bool = False
    search_paths: tuple[str, ...] = ()
    split: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Tailscale's API at one base URL, for one tailnet."""

    base_url: str
    api_key: Secret
    tailnet: str = "-"
    deadline: float = DEADLINE_SECONDS

    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request to `/api/v2` + path, waiting out 429 a few times.

        Raises `AccessDenied` (401, 403), `ApiError` (other 4xx and 5xx), `UnknownAnswer` (3xx),
        `Unreachable`, or `ReadOnly` where only looking is allowed.
        """
        if method != "GET" and not path.endswith("/acl/validate"):
            mode.require_change(f"{method} {path}")
        content = text if text is not None else None if body is None else json.dumps(body)
        sent = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
        for attempt in range(RETRIES + 1):
            status, answer = self._once(method, path, content, sent)
            if status != 429:
                return self._checked(status, answer)
            wait = _seconds(answer.headers.get("retry-after", "1"))
            if attempt == RETRIES or wait > LONGEST_WAIT_SECONDS:
                break
            time.sleep(wait)
        raise Unreachable("too many requests (429)", where=answer.where, hint=f"try again in {wait:.0f} s")

    def _once(
        self, method: str, path: str, content: str | None, headers: Mapping[str, str]
    ) -> tuple[int, Answer]:
        import httpx

        url = f"{self.base_url.rstrip('/')}/api/v2{path}"
        until = time.monotonic() + self.deadline
        chunks: list[bytes] = []
        try:
            with (
                httpx.Client(
                    auth=(self.api_key.reveal(), ""),
                    timeout=self.deadline,
                    trust_env=False,
                    # Reading the certificate authorities takes longer than a request on loopback.
                    verify=_authorities() if url.startswith("https:") else False,
                ) as client,
                client.stream(method, url, content=content, headers=dict(headers)) as response,
            ):
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    if time.monotonic() > until:
                        raise Unreachable(f"no whole answer within {self.deadline:.0f} s", where=url)
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise Unreachable(f"no answer: {said}", where=url, hint="is the control plane up?") from error
        named = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, Answer(
            b"".join(chunks).decode(errors="replace"), named, f"{method} {url}"
        )

    def _checked(self, status: int, answer: Answer) -> Answer:
        if status in (401, 403):
            raise AccessDenied(
                f"the API key was refused ({status})",
                where=answer.where,
                hint="is the target's API key (TAILSCALE_API_KEY) expired, revoked, or short of a scope?",
            )
        if status >= 400:
            raise _api_error(status, answer)
        if status >= 300 or status == 204:
            raise UnknownAnswer(f"status {status} without the answer asked for", where=answer.where)
        if "text/html" in answer.headers.get("content-type", ""):
            raise UnknownAnswer(f"a web page instead of an answer: {_head(answer.text)}", where=answer.where)
        return answer

    def path(self, rest: str) -> str:
        """The path of something of this tailnet, such as `/acl`."""
        return f"/tailnet/{quote(self.tailnet, safe='')}{rest}"

    def policy(self) -> tuple[str, str]:
        """The policy as it was written, comments and all, and its ETag."""
        answer = self.request("GET", self.path("/acl"), headers=HUJSON)
        if not answer.text.strip() or not answer.etag:
            raise UnknownAnswer("an empty policy, or one without an ETag", where=answer.where)
        return answer.text, answer.etag

    def set_policy(self, text: str, *, if_match: str = "") -> str:
        """Replace the policy and return its new ETag; `ApiError` 412 when `if_match` is not live."""
        headers = {**HUJSON, "Content-Type": "application/hujson"}
        if if_match:
            headers["If-Match"] = f'"{if_match}"'
        return self.request("POST", self.path("/acl"), text=text, headers=headers).etag

    def validate(self, text: str) -> tuple[str, ...]:
        """What the server has against a policy, tests included; empty when it would accept it."""
        headers = {"Content-Type": "application/hujson"}
        try:
            answer = self.request("POST", self.path("/acl/validate"), text=text, headers=headers)
        except ApiError as error:
            if error.status != 400:
                raise
            return error.problems or (error.what,)
        if not answer.text.strip():
            return ()
        body = answer.json()
        return (*_listed(body), *((body["message"],) if "message" in body else ()))

    def dns(self) -> Dns:
        """The DNS settings, from their four endpoints."""
        names = ("nameservers", "preferences", "searchpaths", "split-dns")
        read = [self.request("GET", self.path(f"/dns/{name}")).json() for name in names]
        split = {domain: tuple(addresses) for domain, addresses in sorted(read[3].items())}
        return Dns(tuple(read[0]["dns"]), read[1]["magicDNS"], tuple(read[2]["searchPaths"]), split)

    def devices(self) -> list[dict[str, Any]]:
        """Every device of the tailnet, as the API describes it."""
        found: list[dict[str, Any]] = self.request("GET", self.path("/devices")).json()["devices"]
        return found

    def delete_device(self, device: str) -> None:
        """Take a device out of the tailnet; one that is gone needs nothing."""
        try:
            self.request("DELETE", f"/device/{quote(device, safe='')}")
        except ApiError as error:
            if error.status != 404:
                raise

    def set_tags(self, device: str, tags: Sequence[str]) -> None:
        """Give a device exactly these tags."""
        self.request("POST", f"/device/{quote(device, safe='')}/tags", body={"tags": list(tags)})

    def create_key(
        self,
        *,
        tags: Sequence[str] = (),
        reusable: bool = False,
        ephemeral: bool = False,
        expiry_seconds: int = 3600,
        description: str = "",
    ) -> Secret:
        """Create a key with which a device can join; without tags it joins as its owner's device."""
        create = {"reusable": reusable, "ephemeral": ephemeral, "preauthorized": True, "tags": list(tags)}
        body = {
            "capabilities": {"devices": {"create": create}},
            "expirySeconds": expiry_seconds,
            "description": description,
        }
        return Secret(self.request("POST", self.path("/keys"), body=body).json()["key"])


@functools.cache
def _authorities() -> ssl.SSLContext:
    return ssl.create_default_context()


def client_of(tailnet: Tailnet) -> Client:
    """The client for one target's tailnet."""
    return Client(tailnet.base_url, tailnet.api_key, tailnet.tailnet)


def _api_error(status: int, answer: Answer) -> ApiError:
    try:
        body = json.loads(answer.text)
        message, problems = str(body["message"]), _listed(body)
    except (ValueError, KeyError, TypeError, AttributeError):
        message, problems = _head(answer.text) or "(empty body)", ()
    return ApiError(f"{message} ({status})", status=status, where=answer.where, problems=problems)


def _listed(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The `data[].errors` of Tailscale's error shape, with whom each is about."""
    return tuple(
        f"{entry['user']}: {error}" if entry.get("user") else str(error)
        for entry in body.get("data") or ()
        for error in (*(entry.get("errors") or ()), *(entry.get("warnings") or ()))
    )


def _head(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 120 else words[:120] + "…"


def _seconds(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdigit() else 1.0
