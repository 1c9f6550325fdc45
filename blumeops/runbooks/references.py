"""Secrets by reference: a parameter says where a secret is, and a step reveals it where it is needed.

`env:NAME` is a variable, `file:path` a file, `op://vault/item/field` an item of 1Password. What is revealed
is masked from then on in everything that this process says, and never part of an error.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from blumeops import process, redact
from blumeops.errors import BlumeOpsError, EngineMissing
from blumeops.target import Secret

FORMS = "env:NAME, file:path or op://vault/item/field"
_ENV = re.compile(r"env:(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_FILE = re.compile(r"file:(?P<path>[^\n]+)")
_OP = re.compile(r"op://[^/\s][^/\n]*/[^/\n]+(?:/[^/\n]+){1,2}")
OP_SECONDS = 60
"""1Password may ask a person to unlock it first."""


class SecretRef(str):
    """Where a secret is, and never the secret itself; as text it is the reference."""

    __slots__ = ()


def is_reference(value: object) -> bool:
    """Whether a value says where a secret is."""
    return isinstance(value, str) and any(form.fullmatch(value) for form in (_ENV, _FILE, _OP))


def reveal(reference: str) -> Secret:
    """The secret behind a reference, masked from now on. Raises `BlumeOpsError` that never holds a value."""
    if found := _ENV.fullmatch(reference):
        value = _of_environment(found["name"])
    elif found := _FILE.fullmatch(reference):
        value = _of_file(Path(found["path"]).expanduser())
    elif _OP.fullmatch(reference):
        value = _of_op(reference)
    else:
        # It may be the secret itself, so it is not said.
        raise BlumeOpsError("this is no reference to a secret", hint=f"a reference is {FORMS}")
    if not value:
        raise BlumeOpsError(f"there is nothing behind {reference}")
    redact.remember(value)
    return Secret(value)


def _of_environment(name: str) -> str:
    if name not in os.environ:
        raise BlumeOpsError(f"the variable {name} is not set", hint=f"export {name}=…, then run it again")
    return os.environ[name]


def _of_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "") if isinstance(error, OSError) else "it is not text"
        raise BlumeOpsError(f"the secret cannot be read: {reason}", where=str(path)) from error


def _of_op(reference: str) -> str:
    try:
        done = process.run(["op", "read", "--no-newline", reference], timeout=OP_SECONDS)
    except EngineMissing as error:
        hint = "install 1Password's CLI and sign in: `op signin`"
        raise EngineMissing("the program `op` is missing", where=reference, hint=hint) from error
    if not done.ok:
        said = done.stderr.strip().splitlines()
        raise BlumeOpsError(
            f"1Password: {said[-1] if said else f'exit {done.returncode}'}",
            where=reference,
            hint="`op whoami` says whether you are signed in",
        )
    return done.stdout
