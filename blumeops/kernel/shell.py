"""The shell: IPython with the cells' variables, one request after the other.

    python shell.py DESCRIPTOR PARENT

Requests and answers are JSON lines on the descriptor (see `keeper.py`). It dies with its parent. IPython is
kept to its core: no history, no configuration files, no prompts, no colours.
"""

from __future__ import annotations

import ast
import builtins
import json
import linecache
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, prctl(2)


def tie_to(parent: int) -> None:
    """Die when the parent dies, however it does."""
    import ctypes

    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


tie_to(int(sys.argv[2]))

from IPython.core.compilerop import CachingCompiler  # noqa: E402
from IPython.core.displayhook import DisplayHook  # noqa: E402
from IPython.core.displaypub import DisplayPublisher  # noqa: E402
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell  # noqa: E402
from traitlets import Type  # noqa: E402
from traitlets.config import Config  # noqa: E402

from blumeops import dependencies, process, redact  # noqa: E402
from blumeops.kernel.failures import Failure, failure  # noqa: E402
from blumeops.kernel.streams import Channel, Interrupts, Pipes  # noqa: E402
from blumeops.mode import VARIABLE, Mode  # noqa: E402

_EMPTY_LINES = re.compile(r"(?:[ \t]*\n)*")


class Results(DisplayHook):
    """What a cell's last expression gives, in all of its forms."""

    def quiet(self) -> bool:
        """A `;` at the end hides it."""
        source = _shell(self).source
        ends = self.semicolon_at_end_of_expression
        hidden: bool = ends(source)  # type: ignore[no-untyped-call]  # IPython has no types for it
        return hidden

    def write_output_prompt(self) -> None:
        """No prompt."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        """Hand over all forms."""
        shell = _shell(self)
        shell.pipes.drain()
        shell.channel.forms("result", format_dict)

    def log_output(self, format_dict: dict[str, Any]) -> None:
        """Nothing is kept beside the record."""

    def finish_displayhook(self) -> None:
        """Nothing is printed after it."""
        self._is_active = False


class Displays(DisplayPublisher):
    """What `display(…)` shows."""

    def publish(self, data: dict[str, Any], metadata: dict[str, Any] | None = None, source: object = None, *,
                transient: dict[str, Any] | None = None, update: bool = False, **_: object,
                ) -> None:  # fmt: skip
        """Hand over all forms; one that updates another takes its place."""
        name = str((transient or {}).get("display_id", ""))
        shell = _shell(self)
        shell.pipes.drain()
        shell.channel.forms("display", data, display=name, update=update)

    def clear_output(self, wait: bool = False) -> None:
        """What was said stays in the record."""


def _shell(part: DisplayHook | DisplayPublisher) -> Shell:
    """The shell that a part belongs to."""
    if not isinstance(part.shell, Shell):
        raise TypeError(f"{type(part).__name__} belongs to no shell of ours")
    return part.shell


class Compiler(CachingCompiler):
    """Compiles a cell as the lines of the Markdown file that it is."""

    filename = "<cell>"
    offset = 0

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """The Markdown file."""
        return self.filename

    def cache(self, transformed_code: str, number: int = 0, raw_code: str | None = None) -> str:
        """Let tracebacks show the file's lines, as they were when the cell ran."""
        entry = linecache.cache.get(self.filename, ())
        known = entry[2] if len(entry) == 4 else []
        lines = [line + "\n" for line in (raw_code or transformed_code).lstrip("\n").split("\n")]
        before = [*known[: self.offset], *["\n"] * (self.offset - len(known))]
        every = before + lines + known[self.offset + len(lines) :]
        linecache.cache[self.filename] = (sum(map(len, every)), None, every, self.filename)
        return self.filename

    def ast_parse(self, source: str, filename: str = "<unknown>", symbol: str = "exec") -> ast.AST:
        """Parse with the file's line numbers, in the tree and in what is wrong with it."""
        try:
            tree = super().ast_parse(source, filename, symbol)
        except SyntaxError as error:
            error.lineno = (error.lineno or 1) + self.offset
            if error.end_lineno is not None:
                error.end_lineno += self.offset
            raise
        return ast.increment_lineno(tree, self.offset)


class Shell(InteractiveShell):
    """IPython's core, which speaks to a channel."""

    displayhook_class = Type(Results)
    display_pub_class = Type(Displays)
    compiler_class = Type(Compiler)
    compile: Compiler
    channel: Channel
    pipes: Pipes
    source = ""

    def system(self, cmd: str) -> None:
        """`!command`: its output is the cell's; a status that is not 0 fails the cell."""
        line: str = self.var_expand(cmd, depth=1)  # type: ignore[no-untyped-call]  # IPython's
        words = ["/bin/bash", "-o", "pipefail", "-c", line]
        self._require(cmd, process.attach(words, env=os.environ))

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> object:
        """`lines = !command`: a status that is not 0 fails the cell, too."""
        from IPython.utils.text import SList

        line: str = self.var_expand(cmd, depth=depth + 1)  # type: ignore[no-untyped-call]  # IPython's
        words = ["/bin/bash", "-o", "pipefail", "-c", line]
        done = process.run(words, env=os.environ)
        sys.stderr.write(done.stderr)
        self._require(cmd, done.returncode)
        return SList(done.stdout.splitlines()) if split else done.stdout

    def _require(self, cmd: str, status: int) -> None:
        self.user_ns["_exit_code"] = status
        if status:
            raise CommandFailed(f"`!{cmd}` ended with status {status}; `!{cmd} || true` would go on")

    def ask_exit(self) -> None:
        """A cell cannot end the kernel without saying so."""
        raise SystemExit("exit() in a cell")

    def showtraceback(self, *_: object, **__: object) -> None:
        """Said at the cell's end."""

    showsyntaxerror = showindentationerror = showtraceback

    def run(self, source: str) -> ExecutionResult:
        """Run one cell; without IPython's own copy of all that is said."""
        no_id: Any = None  # as in IPython's own `run_cell`, which says otherwise
        return self._run_cell(source, False, False, True, no_id, None)


class CommandFailed(Exception):
    """A command ended with a status that is not 0."""


def script(shell: Shell, program: str, line: str, body: str) -> None:
    """`%%bash`, `%%sh`: stops at the first command that fails, and the cell fails with it.

    The script is an argument and not standard input, where a command such as ssh would eat the rest of it.
    """
    strict = ["-e", "-o", "pipefail"] if program == "bash" else ["-e"]
    status = process.attach([f"/bin/{program}", *strict, "-c", body, program, *line.split()], env=os.environ)
    if status:
        raise CommandFailed(f"%%{program} ended with status {status}")


def made(channel: Channel, pipes: Pipes, folder: Path) -> Shell:
    """A shell that speaks to this channel."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 0
    config.InteractiveShell.autocall = 0
    config.InteractiveShell.enable_tip = False
    Shell.channel, Shell.pipes = channel, pipes
    shell = Shell.instance(config=config, ipython_dir=str(folder))
    for program in ("bash", "sh"):
        shell.magics_manager.register_function(
            lambda line, cell, program=program: script(shell, program, line, cell), "cell", program
        )
    builtins.input = _no_input
    return shell


def _no_input(prompt: object = "") -> str:
    raise EOFError(f"a cell cannot ask ({str(prompt).strip()}): make it a parameter, or a `confirm` cell")


def answer(shell: Shell, request: dict[str, Any], root: Path) -> dict[str, Any]:
    """Run one request and say how it ended."""
    for name, text in request.get("environment", {}).items():
        os.environ.pop(name, None) if text is None else os.environ.update({name: text})
    redact.remember_environment({k: v for k, v in request.get("environment", {}).items() if v})
    os.environ[VARIABLE] = request.get("mode", Mode.READ)
    evaluated = request["op"] == "evaluate"
    shell.source = request["source"]
    before = next(_EMPTY_LINES.finditer(shell.source))[0].count("\n")  # IPython takes them away
    shell.compile.filename, shell.compile.offset = request["filename"], max(0, request["line"] - 1) + before
    wrong: BaseException | None = None
    value: object = None
    try:
        if evaluated:
            ast.parse(shell.source.strip(), request["filename"], mode="eval")
        with shell.channel.interrupts.let_in():
            result = shell.run(shell.source)
        wrong, value = result.error_before_exec or result.error_in_exec, result.result
    except BaseException as error:  # an interrupt between the cell and us, a broken magic
        wrong = error
    return _told(shell, wrong, repr(value) if evaluated and wrong is None else "", request["filename"], root)


def _told(shell: Shell, wrong: BaseException | None, value: str, filename: str, root: Path) -> dict[str, Any]:
    said = Failure("", "", 0)
    shell.pipes.drain()
    if wrong is not None:
        said = failure(wrong, filename, root)
        shell.channel.forms("error", {"text/plain": said.text})
    shell.channel.end()
    return {
        "ending": "passed" if wrong is None else "failed",
        "error": shell.channel.mask(said.error),
        "line": said.line,
        "value": shell.channel.mask(value),
        "depends": list(dependencies.below(root)),
    }


def main(descriptor: int) -> None:
    """Answer requests until the keeper closes its end."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    root = Path.cwd()
    checkout = next((parent.parent for parent in root.parents if parent.name == ".sandbox"), root)
    dependencies.watch(root)
    redact.remember_environment(os.environ)
    interrupts = Interrupts()
    interrupts.arm()
    mask = redact.Masker()
    channel = Channel(control, mask, interrupts)
    pipes = Pipes(channel)
    shell = made(channel, pipes, Path(os.environ["BLUMEOPS_KERNEL"]))
    for line in control.makefile("r", encoding="utf-8", newline="\n"):
        begun = time.monotonic()
        mask.know(redact.known_secrets(checkout))  # each time: a cell may have made a new one
        channel.begin()
        channel.send("s", None)
        said = answer(shell, json.loads(line), root)
        if os.getpid() != channel.pid:
            os._exit(0)  # a cell forked and its child came back to us: there is one shell
        channel.send("d", {**said, "seconds": time.monotonic() - begun})


if __name__ == "__main__":
    main(int(sys.argv[1]))
