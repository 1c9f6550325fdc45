"""The parts of the front page that say how the homelab is: layers, last runs, what is being prepared.

They are read from files that `blumeops up` and the runbooks leave, so building the site asks no live system.
"""

from __future__ import annotations

import html
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from blumeops.plan import State
from blumeops.site.verified import LastRun

LAYERS = ("tailnet", "hosts", "cluster")
ENGINES = {"tailnet": "Pulumi", "hosts": "Ansible", "cluster": "Argo CD"}
STATE_FILE = Path(".sandbox/state.json")
PREPARING_FILE = Path(".sandbox/preparing.json")
SILENT_SECONDS = 1800
"""Longer than the longest step, the build of one engine, on a slow machine."""
_WORDS = {
    State.IN_SYNC: "in sync",
    State.PENDING: "changes pending",
    State.DRIFTED: "drifted",
    State.DEGRADED: "degraded",
    State.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class LayerState:
    """What was last known of a layer; `at` is when, as text in UTC."""

    state: State
    reason: str = ""
    revision: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class RunLine:
    """A runbook on the front page: its title, the way to its page, its last run, and when to run it again."""

    title: str
    way: str
    last: LastRun
    due: str = ""


_NEVER = LayerState(State.UNKNOWN, "not asked yet: `make up` starts the sandbox and asks")


def layer_states(root: Path) -> dict[str, LayerState]:
    """The last known state of each layer. What cannot be read is unknown, never in sync."""
    known = _read(root / STATE_FILE)
    return {layer: _layer_state(layer, known.get(layer)) for layer in LAYERS}


def _layer_state(layer: str, values: object) -> LayerState:
    if not isinstance(values, Mapping):
        return _NEVER
    said = {key: str(values.get(key) or "") for key in ("reason", "revision", "at")}
    said["reason"] = said["reason"].removeprefix(f"{layer}: ")
    word = values.get("state")
    if word not in [state.value for state in State]:
        return LayerState(
            State.UNKNOWN, f"the record says {word!r}, which is no state", said["revision"], said["at"]
        )
    return LayerState(State(word), **said)


def preparing(root: Path) -> str:
    """One line on what is still being prepared; empty when nothing is, or when nobody spoke for a while.

    A run that was killed leaves its last line behind, and that must not be shown for ever.
    """
    path = root / PREPARING_FILE
    try:
        silent = time.time() - path.stat().st_mtime
    except OSError:
        return ""
    return str(_read(path).get("message") or "") if silent < SILENT_SECONDS else ""


def _read(path: Path) -> Mapping[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def state_html(root: Path, runbooks: Iterable[RunLine]) -> str:
    """The front page's state: a banner, a card for each layer, and a line for each runbook's last run."""
    banner = f'<p class="preparing">{_text(message)}</p>' if (message := preparing(root)) else ""
    layers = "".join(_layer_card(layer, state) for layer, state in layer_states(root).items())
    runs = "".join(_run_line(one) for one in runbooks)
    listed = f'<ul class="runs">{runs}</ul>' if runs else ""
    inside = f'{banner}<div class="state-layers">{layers}</div>{listed}'
    return f'<div class="state" id="homelab-state">{inside}</div>'


def _layer_card(layer: str, known: LayerState) -> str:
    at = f"<span>{_text(_when(known.at))}</span>" if known.at else ""
    revision = f"<code>{_text(known.revision[:12])}</code>" if known.revision else ""
    facts = f'<p class="state-facts">{revision}{at}</p>' if at or revision else ""
    reason = f'<p class="state-reason">{_text(known.reason)}</p>' if known.reason else ""
    return (
        f'<div class="state-card layer-{layer} is-{known.state.value}">'
        f'<p class="state-layer">{layer}<span>{ENGINES[layer]}</span></p>'
        f'<p class="state-word">{_WORDS[known.state]}</p>{reason}{facts}</div>'
    )


def _run_line(one: RunLine) -> str:
    record = one.last.record
    word = f"stale, {record.status.value}" if one.last.stale and record else one.last.word
    when = f" on {record.started:%Y-%m-%d, %H:%M} UTC" if record else ""
    overdue = '<strong class="overdue" hidden>, overdue</strong>' if one.due else ""
    due = f' data-due="{one.due}"' if one.due else ""
    return (
        f'<li class="run-{one.last.kind}"{due}><a href="{html.escape(one.way)}">{_text(one.title)}</a> '
        f"<span>{word}{when}{overdue}</span></li>"
    )


def _when(at: str) -> str:
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*$", r"\1, \2 UTC", at)


def _text(words: str) -> str:
    escaped = html.escape(words)
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escaped).replace("[", "&#91;").replace("\n", " ")


def state_json(root: Path) -> dict[str, object]:
    """The state as data, for a front page that is open in a browser: `preparing`, and `layers` by name."""
    layers = {
        layer: {
            "state": known.state.value,
            "word": _WORDS[known.state],
            "reason": known.reason,
            "revision": known.revision[:12],
            "at": _when(known.at),
        }
        for layer, known in layer_states(root).items()
    }
    return {"preparing": preparing(root), "layers": layers}
