"""`blumeops up`: from nothing to a running homelab, its runbooks executed and its site served.

The site comes first, with the last verified records; then each layer comes up as soon as its engines are
there, most useful first, and the site takes over the fresh results. Every piece is idempotent, so an
interrupted `up` goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from blumeops import doctor, process
from blumeops.errors import BlumeOpsError, Interrupted
from blumeops.homelab import LAYERS, Homelab
from blumeops.journal import now
from blumeops.layer import Notify
from blumeops.plan import Report, Status
from blumeops.runbooks import lab_git
from blumeops.sandbox import engines, engines_build, hosts, images
from blumeops.sandbox.sandbox import Sandbox
from blumeops.sandbox.supervisor import write_private

if TYPE_CHECKING:
    from blumeops.runbooks.model import Runbook

ENGINES = {
    "tailnet": ("headscale", "pulumi"),
    "hosts": ("tailscaled",),
    "cluster": ("etcd", "kubernetes", "kwok", "kustomize", "argocd"),
}
"""The engines of each layer."""

NEXT = (
    ".venv/bin/blumeops plan",
    ".venv/bin/blumeops provision indri --check --diff",
    ".venv/bin/blumeops runbook run roll-back-a-change",
)
"""What to try next, printed at the end."""


class Screen(Protocol):
    """Where `up` says what goes on."""

    def line(self, text: str) -> None:
        """Say one thing that has happened."""

    def now(self, text: str) -> None:
        """Say what goes on at the moment."""

    def result(self, text: str) -> None:
        """Say what the user asked for."""


@dataclass
class Up:
    """One run of `blumeops up` in a checkout."""

    root: Path
    screen: Screen
    serve: bool = True
    runbooks: bool = True
    port: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Do all of it; returns the exit code. Serving ends with Ctrl-C.

        Raises `Locked` when another command holds the sandbox of this checkout.
        """
        box = Sandbox.of(self.root)
        with box.held("up"):
            try:
                return self._all(box)
            except BaseException:
                self.stop.set()
                raise

    def _all(self, box: Sandbox) -> int:
        self._preparing("setting up")
        site = self._site(box)
        try:
            with self._served(box, site) as url:
                try:
                    code = self._work(box, url)
                finally:
                    self._preparing(None)
                if url:
                    self._wait_for_ctrl_c(box)
                return code
        finally:
            self._preparing(None)

    # -- the site ---------------------------------------------------------------------------------

    def _site(self, box: Sandbox) -> Path:
        begun = time.monotonic()
        built = build_site(self.root)
        self.screen.line(f"site: built in {time.monotonic() - begun:.1f} s")
        return built

    @contextmanager
    def _served(self, box: Sandbox, site: Path) -> Iterator[str]:
        if not self.serve:
            yield ""
            return
        from blumeops.site.serve import serving

        with serving(site, self.port or box.layout.port("site")) as url:
            write_private(box.layout.folder / "site.url", url + "\n")
            self.screen.result(f"site: {url} (with the last verified records; the sandbox is being prepared)")
            try:
                yield url
            finally:
                (box.layout.folder / "site.url").unlink(missing_ok=True)

    def _wait_for_ctrl_c(self, box: Sandbox) -> None:
        self.screen.line("serving until Ctrl-C; the sandbox stays up until `blumeops down`")
        while not self.stop.wait(3600):
            pass

    def _preparing(self, message: str | None) -> None:
        path = self.root / ".sandbox" / "preparing.json"
        if message is None:
            path.unlink(missing_ok=True)
        else:
            write_private(path, json.dumps({"message": message, "at": now()}) + "\n")

    # -- the work ---------------------------------------------------------------------------------

    def _work(self, box: Sandbox, url: str) -> int:
        self._packages()
        warm = not engines.missing() and (images.find() is not None or hosts.missing() is not None)
        stages = (LAYERS,) if warm else tuple((layer,) for layer in LAYERS)
        report: Report | None = None
        for number, stage in enumerate(stages, 1):
            present = [layer for layer in stage if layer not in box.missing()]
            self._stage(f"layer {number} of {len(stages)}", stage)
            self._build(stage)
            self.screen.now(f"sandbox · starting {', '.join(present) or 'nothing'}")
            box.up(stage, notify=self.screen.line, stop=self.stop)
            report = self._apply([layer for group in stages[:number] for layer in group], box)
            if url and number < len(stages):
                self._rebuild()
        runbooks = self._runbooks(box) if self.runbooks and not box.missing() else 0
        self._preparing(None)
        self._rebuild()
        return self._summary(box, url, runbooks, report)

    def _stage(self, count: str, stage: tuple[str, ...]) -> None:
        self._preparing(f"{count}: {', '.join(stage)}")

    def _packages(self) -> None:
        lab_git.set_up(self.root)
        wanted = doctor.missing_packages()
        if not wanted:
            return
        if os.geteuid() != 0:
            self.screen.line(f"missing Debian packages: apt-get install {' '.join(wanted)}")
            return
        self.screen.now(f"Debian packages · {', '.join(wanted)}")
        doctor.install_packages(wanted, self.screen.line)

    def _build(self, stage: tuple[str, ...]) -> None:
        names = [name for layer in stage for name in ENGINES[layer]]
        wanted = [engine for engine in engines.missing() if engine.name in names]
        if wanted:
            begun = time.monotonic()
            engines_build.build(wanted, watch=self._built, stop=self.stop)
            self.screen.line(f"engines: {len(wanted)} built in {time.monotonic() - begun:.0f} s")
        if "hosts" in stage and hosts.missing() is None and images.find() is None:
            self.screen.now("Debian image of the hosts · building")
            images.build(self.screen.line)

    def _built(self, progress: engines_build.Progress) -> None:
        self.screen.now(f"{progress.engine} · {progress}")
        if progress.phase is not engines_build.Phase.READY:
            return
        self.screen.line(f"{progress.engine}: built after {progress.elapsed:.0f} s")

    def _apply(self, layers: list[str], box: Sandbox) -> Report | None:
        present = [layer for layer in layers if layer not in box.missing()]
        if not present:
            return None
        homelab = Homelab.open(root=self.root)
        if dirty := homelab.repository.dirty_paths():
            self.screen.line(f"not committed, so not applied: {', '.join(dirty[:5])}")
            homelab = homelab.clone("up")
        self.screen.now(f"applying · {', '.join(present)}")
        report = homelab.apply(present, notify=self.screen.line)
        self._remember(report, homelab)
        if report.exit_code:
            raise BlumeOpsError(f"apply did not finish:\n{report}", hint="`blumeops plan` shows what is left")
        return report

    def _remember(self, report: Report, homelab: Homelab) -> None:
        """Leave the layers' states where the site reads them."""
        revision = homelab.repository.head()
        states = {
            answer.layer: {"state": "in_sync", "reason": str(answer), "revision": revision, "at": now()}
            for answer in report.answers
            if not isinstance(answer, Status)
        }
        path = self.root / ".sandbox" / "state.json"
        before = json.loads(path.read_text()) if path.exists() else {}
        write_private(path, json.dumps({**before, **states}, indent=2) + "\n")

    def _runbooks(self, box: Sandbox) -> int:
        """Rehearse all runbooks, shuffled; raises when one fails or anything is left in the sandbox."""
        from blumeops import runbooks
        from blumeops.runbooks import testing

        books = runbooks.find(self.root)

        def begins(number: int, book: Runbook) -> None:
            self._preparing(f"runbook {number} of {len(books)}: {book.title}")
            self.screen.now(f"runbook {number} of {len(books)} · {book.title}")

        line, stop = self.screen.line, self.stop
        done = testing.suite(
            self.root, books, exit_first=True, notify=line, watch=lambda one: line(str(one.record)),
            begins=begins, stop=stop,
        )  # fmt: skip
        self.screen.line(str(done))
        done.require_passed()
        # The runbooks applied commits of their own; what stands in the end is what this checkout says.
        self._apply(list(LAYERS), box)
        return len(books)

    def _rebuild(self) -> None:
        self.screen.now("site · building")
        build_site(self.root)

    def _summary(self, box: Sandbox, url: str, runbooks: int, report: Report | None) -> int:
        say = self.screen.result
        say("")
        say(f"site     {url or self.root / 'site'}")
        applied = {answer.layer for answer in report.answers} if report else set()
        for layer in LAYERS:
            reason = box.missing().get(layer)
            state = f"not here and not tested: {reason}" if reason else "in sync"
            say(f"{layer:8} {state if reason or layer in applied else 'unknown'}")
        say(f"runbooks {runbooks} passed" if runbooks else "runbooks not run")
        say("")
        say("next:")
        for command in NEXT:
            say(f"    {command}")
        if box.missing() and os.environ.get("CI") == "true":
            raise BlumeOpsError(f"with CI=true nothing may be missing: {box.missing()}")
        return 0


def build_site(root: Path) -> Path:
    """Build the site in a process of its own: the generator keeps state, and takes seconds of one core.

    Links must hold, but not every fact: who brings up a homelab to change it shall see its site meanwhile.
    """
    import sys

    done = process.run(
        [sys.executable, "-P", "-m", "blumeops.cli", "docs", "build", "--no-facts", "-q"],
        cwd=root,
        timeout=300,
    )
    if not done.ok:
        raise BlumeOpsError(f"the site was not built:\n{done.stderr.strip()}", hint="`blumeops docs check`")
    return root / "site"


def end_holder(box: Sandbox, notify: Notify) -> None:
    """End the `up` that holds this sandbox, if there is one, and wait for it to be gone."""
    note = box.layout.folder / "lock.holder"
    try:
        holder = json.loads(note.read_text())
        pid, started = int(holder["pid"]), process.start_time(int(holder["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return
    if (
        holder.get("what") != "up"
        or started is None
        or started != holder.get("started")
        or pid == os.getpid()
    ):
        return
    notify(f"ending `up` (process {pid})")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while process.start_time(pid) == started:
        if time.monotonic() > deadline:
            raise Interrupted(f"process {pid} does not end", hint=f"`kill -9 {pid}`, then `blumeops down`")
        time.sleep(0.1)
