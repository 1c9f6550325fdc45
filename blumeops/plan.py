"""Plans, drift, states and results: frozen values that say themselves, and nothing else.

`plan` and `drift` give the same type, so every table, exit code, test and page serves both.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import assert_never, cast


class Action(StrEnum):
    """What would happen to one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"

    @property
    def sign(self) -> str:
        """The mark that people know from diffs: `+ ~ ± -`."""
        match self:
            case Action.CREATE:
                return "+"
            case Action.UPDATE:
                return "~"
            case Action.REPLACE:
                return "±"
            case Action.DELETE:
                return "-"
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Change:
    """One resource with an action; `address` is the engine's own name for the resource.

    `diff` is text for people, with secrets masked before it got here.
    """

    action: Action
    address: str
    diff: str = ""

    def __str__(self) -> str:
        return f"{self.action.sign} {self.address}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a layer the engine could really compare.

    A clean Ansible check is "no drift seen", with `total - compared` tasks that it cannot check.
    """

    compared: int
    total: int
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when everything in the layer was compared."""
        return self.compared >= self.total

    def __str__(self) -> str:
        return f"{self.compared} of {self.total} compared"


class Comparison(StrEnum):
    """Which two of the three versions (desired, recorded, live) were compared."""

    PLAN = "plan"
    DRIFT = "drift"


class _Answer:
    """What one layer's answers have in common: in a notebook each shows itself, as a report of one row."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return self._alone().to_markdown()

    def _repr_html_(self) -> str:
        return self._alone()._repr_html_()

    def _alone(self) -> Report:
        return Report("", "", (cast("Answer", self),))  # the three below are all that there is


@dataclass(frozen=True, slots=True)
class Plan(_Answer):
    """What differs in one layer: desired against live (plan), or recorded against live (drift).

    `desired` is the Git revision compared with (`+dirty` if so), `live` a fingerprint of the live system.
    """

    layer: str
    desired: str
    live: str
    changes: tuple[Change, ...]
    coverage: Coverage
    comparison: Comparison = Comparison.PLAN

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        counts = Counter(change.action for change in self.changes)
        words = ", ".join(f"{counts[action]} to {action.value}" for action in Action if counts[action])
        nothing = "nothing to do" if self.comparison is Comparison.PLAN else "no drift seen"
        text = f"{self.layer}: {words or nothing}"
        return text if self.coverage.complete else f"{text} ({self.coverage})"


class State(StrEnum):
    """The state of one layer; unknown is never shown as in sync."""

    IN_SYNC = "in_sync"
    PENDING = "pending"
    DRIFTED = "drifted"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Status(_Answer):
    """The state of one layer, and why.

    `retryable` says whether asking again may help. `error` holds the whole message when the layer could not
    be asked because something is wrong (bad input, a refused key), rather than merely out of reach.
    """

    layer: str
    state: State
    reason: str = ""
    retryable: bool = False
    error: str = ""
    desired: str = ""
    recorded: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.layer}: {self.state.value}" + (f" ({self.reason})" if self.reason else "")


class Outcome(StrEnum):
    """What became of one planned change."""

    DONE = "done"
    FAILED = "failed"
    NOT_STARTED = "not started"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result(_Answer):
    """What `apply` did in one layer: an outcome for every change of the plan, in its order."""

    layer: str
    revision: str
    changes: tuple[Change, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    error: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """True when every change was done and no error was reported."""
        done = all(outcome is Outcome.DONE for outcome in self.outcomes)
        return not self.error and done and len(self.outcomes) == len(self.changes)

    def __str__(self) -> str:
        if not self.changes and not self.error:
            return f"{self.layer}: nothing to do"
        counts = Counter(self.outcomes)
        words = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
        text = f"{self.layer}: {words or 'nothing done'}"
        return f"{text}; {self.error}" if self.error else text


Answer = Plan | Status | Result


@dataclass(frozen=True, slots=True)
class Report:
    """The answers of all layers to one verb; renders to text, JSON and Markdown.

    A layer that could not answer stands in it as a `Status` of state unknown.
    """

    verb: str
    target: str
    answers: tuple[Answer, ...]

    @property
    def exit_code(self) -> int:
        """0 nothing to do, 1 changes or drift, 2 error, 4 partial: a layer is unknown."""
        codes = [_exit_code(answer) for answer in self.answers]
        return next((code for code in (2, 4, 1) if code in codes), 0)

    def __getitem__(self, layer: str) -> Answer:
        return {answer.layer: answer for answer in self.answers}[layer]

    def __str__(self) -> str:
        return "\n".join(str(answer) for answer in self.answers)

    def to_dict(self) -> dict[str, object]:
        """The report as plain data, the shape that `--json` prints."""
        layers = [{"type": type(answer).__name__.lower(), **asdict(answer)} for answer in self.answers]
        return {"verb": self.verb, "target": self.target, "exit_code": self.exit_code, "layers": layers}

    def to_json(self) -> str:
        """The report as indented JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_markdown(self) -> str:
        """The report as a Markdown table, with the diffs in fenced blocks below it."""
        from blumeops import plan_markdown

        return plan_markdown.table(self.answers)

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        from blumeops import plan_html

        return plan_html.table(self.answers)


def _exit_code(answer: Answer) -> int:
    match answer:
        case Plan():
            return 1 if answer.changes else 0
        case Result():
            return 0 if answer.succeeded else 2
        case Status(error=error) if error:
            return 2
        case Status(state=State.UNKNOWN):
            return 4
        case Status(state=State.DEGRADED):
            return 2
        case Status(state=State.IN_SYNC):
            return 0
        case Status():
            return 1
        case _:
            assert_never(answer)


def state_words(answer: Answer) -> str:
    """The state of an answer in a word or two, in Markdown: bold when a person should look."""
    match answer:
        case Plan():
            if not answer.changes:
                return "in sync" if answer.coverage.complete else "no change seen"
            return "pending" if answer.comparison is Comparison.PLAN else "**drifted**"
        case Result():
            return "done" if answer.succeeded else "**failed**"
        case Status():
            words = answer.state.value.replace("_", " ")
            return words if answer.state is State.IN_SYNC else f"**{words}**"
        case _:
            assert_never(answer)


def detail_words(answer: Answer) -> str:
    """Why an answer is what it is, in one line, as the engine or the counts say it."""
    return str(answer).removeprefix(f"{answer.layer}: ") if not isinstance(answer, Status) else answer.reason
