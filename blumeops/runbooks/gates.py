"""Gates: where a run waits for a person before it changes something, and who may answer instead of one.

A question is a value, and whoever asks it (a terminal, or one of the policies here) gives a reply. On the
sandbox a rehearsal and CI pass every gate; on a real target only a person or `--yes` does, and what a person
must have seen with their own eyes is never attested by an option there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from blumeops.journal import now, user
from blumeops.records import Attestation, RunMode


class Kind(StrEnum):
    """What is asked: may this step change something, has a person done theirs, shall it be taken back."""

    GATE = "gate"
    ATTEST = "attest"
    ROLLBACK = "rollback"


class Answer(StrEnum):
    """What was answered; `NO` ends the run, `SKIP` leaves out this one step."""

    YES = "yes"
    NO = "no"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Question:
    """One question at a gate: `shown` is the plan, the step's code, or what a person has to do."""

    kind: Kind
    step: str
    title: str
    shown: str
    target: str
    identity: str

    @property
    def words(self) -> str:
        """The question in one line."""
        match self.kind:
            case Kind.GATE:
                return f"run {self.step} on {self.target}?"
            case Kind.ATTEST:
                return f"{self.title or self.step}: done?"
            case Kind.ROLLBACK:
                return f"take back {self.step} on {self.target}?"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, with the words of whoever gave it."""

    answer: Answer
    words: str = ""
    who: str = ""


Ask = Callable[[Question], Reply]
"""Whoever answers: a terminal, or a policy."""


def attested(question: Question, reply: Reply) -> Attestation:
    """What is written down about an answer."""
    said = reply.answer.value + (f": {reply.words}" if reply.words else "")
    return Attestation(question.words, said, reply.who or user(), now())


@dataclass(frozen=True, slots=True)
class Policy:
    """Who answers in one run. `ask` asks a person and is None where there is none to be asked.

    `rollback` answers beforehand whether a failed run is taken back; None leaves it to a person.
    """

    sandbox: bool
    mode: RunMode = RunMode.RUN
    yes: bool = False
    ci: bool = False
    rollback: bool | None = None
    ask: Ask | None = None

    def __call__(self, question: Question) -> Reply:
        """The reply, from the first that has one: an option, the sandbox's rule, a person."""
        said = self._beforehand(question.kind)
        if said is not None:
            return said
        if self.ask is not None:
            return self.ask(question)
        return Reply(Answer.NO, "there was nobody to ask", "nobody")

    def _beforehand(self, kind: Kind) -> Reply | None:
        rehearsed = self.sandbox and self.mode is RunMode.REHEARSAL
        if kind is Kind.ROLLBACK:
            if self.rollback is not None:
                return Reply(*((Answer.YES, "--rollback") if self.rollback else (Answer.NO, "--no-rollback")))
            return Reply(Answer.YES, "a rehearsal on the sandbox", "nobody") if rehearsed else None
        if rehearsed:
            return Reply(Answer.YES, "a rehearsal on the sandbox", "nobody")
        if self.sandbox and self.ci:
            return Reply(Answer.YES, "CI on the sandbox", "nobody")
        # On a real target an option is nobody's word that a person has done something there.
        if self.yes and (self.sandbox or kind is Kind.GATE):
            return Reply(Answer.YES, "--yes")
        return None


def in_ci(environment: Mapping[str, str]) -> bool:
    """True where a machine runs this for a repository: then only the sandbox is there to be changed."""
    return environment.get("CI", "").lower() in ("true", "1")
