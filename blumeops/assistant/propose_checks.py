"""What a proposal has to pass before anybody sees it: syntax, secrets, the policy's own tests, `docs check`.

A check that was wrong before is not held against a proposal; one that is wrong because of it is.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

import yaml

from blumeops import process, redact
from blumeops.assistant.propose_files import POLICY
from blumeops.errors import BadInput, EngineError, Problem
from blumeops.facts import secrets
from blumeops.facts.tree import Tree
from blumeops.homelab import main_checkout

DOCS_SECONDS = 300.0
_KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TERM",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "SSL_CERT_FILE",
    "BLUMEOPS_ANSIBLE",
)
_KEPT_BEGIN = ("LC_", "PYTHON", "XDG_", "BLUMEOPS_CACHE", "BLUMEOPS_HOME")


def environment(**more: str) -> dict[str, str]:
    """An environment without anything of the person's: no token, no agent, no kubeconfig."""
    kept = {
        name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_BEGIN)
    }
    return {**kept, "NO_COLOR": "1", **more}


def command(*words: str) -> list[str]:
    """The words of one of our own verbs, run by this interpreter."""
    return [sys.executable, "-P", "-m", "blumeops.cli", *words]


def said(root: Path, texts: Mapping[str, str | None], words: Mapping[str, str]) -> None:
    """Raise `BadInput` with every syntax error and secret in changed files, and in the words about them.

    `texts` are files by path, `words` the title and its like by name.
    """
    problems = [
        problem for path, text in texts.items() if text is not None for problem in _syntax(path, text)
    ]
    problems += _secrets(root, {**{path: text or "" for path, text in texts.items()}, **words})
    if problems:
        raise BadInput(problems)


def _syntax(path: str, text: str) -> Iterator[Problem]:
    try:
        match PurePosixPath(path).suffix:
            case ".yaml" | ".yml":
                _readable_yaml(text)
            case ".json":
                json.loads(text)
            case ".toml":
                tomllib.loads(text)
            case ".py":
                compile(text, path, "exec")
            case ".hujson" if path == POLICY:
                from blumeops.tailnet import policy

                policy.check(text.encode(), path)
    except BadInput as error:
        yield from error.problems
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        yield Problem(error.problem or "not YAML", path, mark.line + 1 if mark else 0)
    except yaml.YAMLError as error:
        yield Problem(f"not YAML: {str(error).splitlines()[0]}", path)
    except SyntaxError as error:
        yield Problem(f"not Python: {error.msg}", path, error.lineno or 0)
    except (ValueError, RecursionError) as error:
        yield Problem(f"cannot be read: {str(error)[:200]}", path)


def _readable_yaml(text: str) -> None:
    """Syntax only: Ansible's and kustomize's own tags are nothing to complain about."""
    for _ in yaml.parse(text, Loader=yaml.SafeLoader):
        pass


def _secrets(root: Path, texts: Mapping[str, str]) -> Iterator[Problem]:
    main = main_checkout(root)
    redact.remember_environment(os.environ)
    tree = Tree(main, frozenset(texts), _texts=dict(texts))
    found = [finding.problem for finding in secrets.check(tree, texts)]
    yield from found
    mask = redact.Masker()
    for path, text in texts.items():
        if any(word in text for word in mask.words) and path not in {one.path for one in found}:
            yield Problem(
                "a secret of this machine stands here", path, hint="take it out; name the variable instead"
            )


def docs(
    made: Path, before: Callable[[], AbstractContextManager[Path]]
) -> tuple[list[Problem], list[Problem]]:
    """The problems and warnings that `docs check` has with a proposal and did not have with its base.

    `before` gives the base's files; it is called only when there is something to compare.
    """
    problems, warnings = _docs(made)
    if not (problems or warnings):
        return [], []
    with before() as base:
        old = {(one.path, one.what) for group in _docs(base) for one in group}
    return (
        [one for one in problems if (one.path, one.what) not in old],
        [one for one in warnings if (one.path, one.what) not in old],
    )


def _docs(root: Path) -> tuple[list[Problem], list[Problem]]:
    words = command("docs", "check", "--json", "--root", str(root))
    done = process.run(
        words, cwd=root, env=environment(BLUMEOPS_MODE="read"), timeout=DOCS_SECONDS, leashed=True
    )
    try:
        told = json.loads(done.stdout)
        return [Problem(**one) for one in told["problems"]], [Problem(**one) for one in told["warnings"]]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"`docs check` gave no answer: {(done.stderr or done.stdout)[-400:]}") from error
