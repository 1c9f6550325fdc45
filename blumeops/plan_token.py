"""Plan tokens: the name of one plan, so that what is applied is what was read.

    sandbox:tailnet+cluster:20261123T180000Z:6f0c…

A token names the target, the layers that were planned, until when it holds, and a digest. The digest is over
the tree of `homelab/`, each layer's fingerprint of the live system and every change with its diff, and the
target's identity. `blumeops apply --plan TOKEN` plans again and refuses when the plan is not that one. The
tree counts and not the commit: a branch that is merged keeps its token as long as it brings the same files.

A token is no password. Whoever has one still plans, sees the plan and is asked. It is keyed with a secret of
the target's state folder, so that one from another machine, or one that somebody made up, is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from blumeops.errors import BlumeOpsError, StalePlan
from blumeops.homelab import FOLDERS, LAYERS, Homelab
from blumeops.plan import Plan, Report
from blumeops.repository import DESIRED_STATE, Repository
from blumeops.target import Target

VALID = timedelta(hours=24)
"""A plan that nobody read within a day is made anew."""

KEY_FILE = "plan-token.key"
_STAMP = "%Y%m%dT%H%M%SZ"
_SHAPE = re.compile(
    r"(?P<target>[^\s:]+):(?P<layers>[a-z+]+):(?P<expires>\d{8}T\d{6}Z):(?P<digest>[0-9a-f]{40})"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A plan's name, taken apart; its `str` is what people pass on."""

    target: str
    layers: tuple[str, ...]
    expires: datetime
    digest: str

    def __str__(self) -> str:
        return f"{self.target}:{'+'.join(self.layers)}:{self.expires:{_STAMP}}:{self.digest}"


def of(homelab: Homelab, plans: Report, *, valid: timedelta = VALID) -> Token | None:
    """The token of a report of plans; None when a layer is unknown, or Git is dirty: that is no plan.

    The repository has to stand where it was planned.
    """
    layers = tuple(answer.layer for answer in plans.answers)
    if not layers or homelab.repository.dirty_paths():
        return None
    if not all(isinstance(answer, Plan) for answer in plans.answers):
        return None
    expires = (datetime.now(UTC) + valid).replace(microsecond=0)
    return Token(homelab.target.name, layers, expires, _digest(homelab, plans, expires))


def read(text: str, target: str) -> Token:
    """The token that a text is. Raises `BlumeOpsError` for one that is none or of another target.

    Raises `StalePlan` for one that has expired.
    """
    found = _SHAPE.fullmatch(text.strip())
    layers = tuple(found["layers"].split("+")) if found else ()
    if found is None or not set(layers) <= set(LAYERS) or len(set(layers)) != len(layers):
        hint = "`blumeops plan --token` prints one; it has four parts with colons between them"
        raise BlumeOpsError("this is no plan token", hint=hint)
    if found["target"] != target:
        hint = f"--target {found['target']} names it, if that is what you want to change"
        raise BlumeOpsError(f"the token is for {found['target']}, not for {target}", hint=hint)
    token = Token(target, layers, _time(found["expires"]), found["digest"])
    if token.expires <= datetime.now(UTC):
        raise StalePlan(
            f"the token expired at {token.expires:%Y-%m-%d %H:%M:%S} UTC",
            hint="plan again, and read it again",
        )
    return token


def require(homelab: Homelab, token: Token, plans: Report) -> None:
    """Raise `StalePlan` unless these plans are the ones that the token stands for."""
    if tuple(answer.layer for answer in plans.answers) != token.layers:
        raise StalePlan(f"the token is for {', '.join(token.layers)}", hint="name these layers, or none")
    unknown = [str(answer) for answer in plans.answers if not isinstance(answer, Plan)]
    if unknown:
        raise StalePlan(
            f"no plan to compare with: {unknown[0]}", hint="see that the layer answers, then again"
        )
    if not hmac.compare_digest(_digest(homelab, plans, token.expires), token.digest):
        raise StalePlan(
            "the plan is not the one that the token stands for",
            where=homelab.target.name,
            hint="Git or the live system moved since, or the token is not from here: "
            "`blumeops plan --token`, and read it again",
        )


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise BlumeOpsError("this is no plan token: its time is none") from error


def _digest(homelab: Homelab, plans: Report, expires: datetime) -> str:
    shown = [
        [
            plan.layer,
            _tree(homelab.repository, plan.layer),
            plan.live,
            str(plan.coverage),
            sorted(
                # A diff that names the commit would be another one after a merge.
                [change.action.value, change.address, change.diff.replace(plan.desired, "")]
                for change in plan.changes
            ),
        ]
        for plan in plans.answers
        if isinstance(plan, Plan)
    ]
    about = [homelab.target.name, homelab.target.identity, f"{expires:{_STAMP}}", shown]
    text = json.dumps(about, sort_keys=True, separators=(",", ":"))
    return hmac.new(_key(homelab.target), text.encode(), hashlib.sha256).hexdigest()[:40]


def _tree(repository: Repository, layer: str) -> str:
    return repository.git("rev-parse", f"HEAD:{DESIRED_STATE}/{FOLDERS[layer]}").stdout.strip()


def _key(target: Target) -> bytes:
    """The target's own key, made on first use; two who make it at once get the same."""
    path = target.state / KEY_FILE
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    target.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = Path(f"{path}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        part.write_bytes(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path.read_bytes()
