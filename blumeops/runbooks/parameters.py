"""Parameters of a runbook: what its `parameters` cell declares, and values that are given for them.

A line is `name: type = default  # help [limits]`. Limits are `[1..600]` (a number, or the length of a list),
`[a|b]` (words to choose from) and `[/pattern/]` (which a word matches as a whole). What is wrong is told all
at once, and never with the value where it could be a secret (R4).
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from blumeops.errors import BadInput, BlumeOpsError, Problem
from blumeops.redact import Masker
from blumeops.runbooks.model import Parameter, Runbook
from blumeops.runbooks.references import FORMS, SecretRef, is_reference

KINDS = ("str", "int", "float", "bool", "list", "SecretRef")
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "SecretRef": str}
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_LIMITS = re.compile(r"\s*\[(?P<inside>/.+/|[^\[\]]+)\]\s*$")
_RANGE = re.compile(r"(?P<low>-?[\d.]*\d)?\s*\.\.\s*(?P<high>-?\d[\d.]*)?")
_SECRET = frozenset(("token", "password", "passwd", "passphrase", "secret", "key", "apikey", "credential"))


def secret_like(name: str) -> bool:
    """Whether a parameter is named like a secret: `api_token`, `PASSWORD`, but not `key_name`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_")
    return words[-1].removesuffix("s") in _SECRET


def declared(source: str, path: str, line: int) -> dict[str, Parameter]:
    """The parameters that a cell declares, in order. Raises `BadInput` with every line that is wrong.

    `line` is the file's line of the first line of `source`.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        at = line + (error.lineno or 1) - 1
        raise BadInput([Problem(f"not Python: {error.msg}", path, at, error.offset or 0)]) from error
    comments, problems = _comments(source), list[Problem]()
    found: dict[str, Parameter] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "blumeops":
            continue  # `SecretRef` is a name like any other where the cell runs
        try:
            one = _parameter(node, comments.get(node.end_lineno or 0, ""))
            if one.name in found:
                raise ValueError(f"the parameter {one.name} is declared twice")
            found[one.name] = one
        except ValueError as error:
            problems.append(Problem(str(error), path, line + node.lineno - 1, 0, _hint(error)))
    if problems:
        raise BadInput(problems)
    return found


class _Wrong(ValueError):
    """What is wrong with a declaration or a value, and what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


def _hint(error: ValueError) -> str:
    return error.hint if isinstance(error, _Wrong) else ""


def _comments(source: str) -> dict[int, str]:
    """The comment of each line that ends in one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").strip() for t in tokens if t.type == tokenize.COMMENT}


def _parameter(node: ast.stmt, comment: str) -> Parameter:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            kind = ast.unparse(annotation).partition("[")[0]
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            kind = ""
        case _:
            raise _Wrong("this is no parameter", 'one a line, such as  host: str = "indri"  # the host')
    try:
        default = ast.literal_eval(value)
    except ValueError as error:
        raise _Wrong(f"the default of {name} is not a plain value", "compute it in the next cell") from error
    kind = kind or type(default).__name__
    if kind not in KINDS:
        raise _Wrong(f"{name} has the type {kind}", f"one of {', '.join(KINDS)}")
    if secret_like(name) and kind in ("str", "list"):
        hint = f'write  {name}: SecretRef = "env:NAME"  and get the value with reveal({name})'
        raise _Wrong(f"{name} looks like a secret, and a secret is never a parameter", hint)
    return _checked(_limited(Parameter(name, kind, default), comment))


def _checked(made: Parameter) -> Parameter:
    """The parameter, when its default is what it may be itself."""
    default: object = made.default
    if made.kind == "float" and type(default) is int:
        default = float(default)
    if made.kind == "SecretRef":
        if default != "" and not is_reference(default):
            raise _Wrong(f"the default of {made.name} is no reference to a secret", f"such as {FORMS}")
        return made
    if type(default) is not _TYPES[made.kind]:
        kind = type(default).__name__
        raise _Wrong(f"the default of {made.name} is of type {kind} and not {made.kind}")
    _within(made, default)
    return replace(made, default=default)


def _limited(bare: Parameter, comment: str) -> Parameter:
    """The parameter with what its comment says: help, and limits in brackets at its end."""
    found = _LIMITS.search(comment)
    if not found:
        return replace(bare, help=comment)
    inside, said = found["inside"].strip(), comment[: found.start()].strip()
    ranged = _RANGE.fullmatch(inside)
    if ranged and (ranged["low"] or ranged["high"]):
        if bare.kind not in ("int", "float", "list"):
            raise _Wrong(f"{bare.name} has a range, and {bare.kind} has none", "words to choose from: [a|b]")
        low, high = (float(word) if word else None for word in ranged.groups())
        if low is not None and high is not None and low > high:
            raise _Wrong(f"{bare.name}: nothing is within [{inside}]")
        return replace(bare, help=said, low=low, high=high)
    if inside.startswith("/") and inside.endswith("/") and len(inside) > 2:
        try:
            re.compile(inside[1:-1])
        except re.error as error:
            raise _Wrong(f"{bare.name}: {inside} is no pattern: {error}") from error
        return replace(bare, help=said, pattern=inside[1:-1])
    if "|" in inside:
        return replace(bare, help=said, choices=tuple(word.strip() for word in inside.split("|")))
    return replace(bare, help=comment)


def parse(book: Runbook, given: Sequence[str], *, file: Path | None = None) -> dict[str, object]:
    """The values of `NAME=VALUE` words, and of a file (TOML, YAML, JSON); a word wins over the file.

    Raises `BadInput` with every name that the runbook does not have and every value that may not be.
    """
    problems, values = list[Problem](), dict[str, object]()
    from_file = _of_file(file) if file else {}
    for where, name, value in [*((str(file), *pair) for pair in from_file.items()), *_words(given)]:
        try:
            values[name] = accept(book, name, value)
        except ValueError as error:
            problems.append(Problem(str(error), where, hint=_hint(error)))
    if problems:
        raise BadInput(problems)
    return values


def _words(given: Sequence[str]) -> Iterator[tuple[str, str, object]]:
    for number, word in enumerate(given, 1):
        name, equals, text = word.partition("=")
        # A word without a name could be the secret itself: it is not said again.
        where = "--param " + (name.strip() if equals else f"number {number}")
        yield where, name.strip() if equals else "", text


def accept(book: Runbook, name: str, value: object) -> object:
    """A value for a parameter, a text or already of its type, as that type. Raises `ValueError`."""
    if not name:
        raise _Wrong("a parameter is given as NAME=VALUE")
    if name not in book.parameters:
        near = difflib.get_close_matches(name, book.parameters, 1)
        known = ", ".join(book.parameters) or "none"
        hint = f"did you mean {near[0]}?" if near else f"its parameters: {known}"
        raise _Wrong(f"{book.name} has no parameter {name}", hint)
    parameter = book.parameters[name]
    if parameter.kind == "SecretRef":
        if not isinstance(value, str) or not is_reference(value):
            what = f"{name} is a secret, and what was given is no reference to one (it is not shown here)"
            raise _Wrong(what, f"a secret is never given as a value, only where it is: {FORMS}")
        return SecretRef(value)
    made = _typed(parameter, value)
    if _is_secret(made):
        raise _Wrong(f"what was given for {name} looks like a secret (it is not shown here)", "take it back")
    _within(parameter, made)
    return made


def _is_secret(value: object) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    return Masker()(text) != text


def _typed(parameter: Parameter, value: object) -> object:
    if not isinstance(value, str):
        if parameter.kind == "float" and type(value) is int:
            return float(value)
        if type(value) is _TYPES[parameter.kind]:
            return value
        raise _Wrong(f"{parameter.name} is of type {parameter.kind}, not {type(value).__name__}")
    try:
        match parameter.kind:
            case "int":
                return int(value)
            case "float":
                return float(value)
            case "bool":
                return _TRUTHS[value.lower()]
            case "list":
                return _listed(parameter, value)
    except (ValueError, KeyError) as error:
        what = f"{parameter.name}: what was given is not of type {parameter.kind}"
        raise _Wrong(what, f"its default is {parameter.default!r}") from error
    return value


def _listed(parameter: Parameter, text: str) -> list[object]:
    """`a,b` or `[1, 2]`; the items are of the type of the default's first, else texts."""
    default = parameter.default if isinstance(parameter.default, list) else []
    of = type(default[0]) if default else str
    if text.lstrip().startswith("["):
        items = ast.literal_eval(text)
    else:
        items = [of(word.strip()) for word in text.split(",") if word.strip()]
    if not isinstance(items, list) or any(type(item) is not of for item in items):
        raise ValueError(f"a list of {of.__name__}")
    return items


def _within(parameter: Parameter, value: object) -> None:
    name, low, high = parameter.name, parameter.low, parameter.high
    size = len(value) if isinstance(value, list) else value
    if isinstance(size, (int, float)) and not isinstance(size, bool):
        what = "the number of items of " if isinstance(value, list) else ""
        if not (low is None or size >= low) or not (high is None or size <= high):
            span = f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
            raise _Wrong(f"{what}{name} is {size}, and that is not within {span}")
    for word in value if isinstance(value, list) else [value]:
        if parameter.choices and str(word) not in parameter.choices:
            near = difflib.get_close_matches(str(word), parameter.choices, 1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(parameter.choices)}"
            raise _Wrong(f"{name} cannot be {word!r}", hint)
        if parameter.pattern and not re.fullmatch(parameter.pattern, str(word)):
            raise _Wrong(f"{name} cannot be {word!r}", f"it matches {parameter.pattern}")


def _of_file(path: Path) -> Mapping[str, object]:
    """What a file of parameters says: TOML, YAML or JSON, by its ending."""
    try:
        text = path.read_text(encoding="utf-8")
        match path.suffix:
            case ".toml":
                import tomllib

                values: object = tomllib.loads(text)
            case ".json":
                values = json.loads(text)
            case ".yaml" | ".yml":
                import yaml

                values = yaml.safe_load(text)
            case _:
                raise BlumeOpsError("a file of parameters is .toml, .yaml or .json", where=str(path))
    except (OSError, ValueError) as error:
        reason = type(error).__name__  # a parser's own words may hold the line, and so a secret
        raise BlumeOpsError(f"this file of parameters cannot be read ({reason})", where=str(path)) from error
    if not isinstance(values, dict):
        raise BlumeOpsError("a file of parameters is a table of names and values", where=str(path))
    return values
