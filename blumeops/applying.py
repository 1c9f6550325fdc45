"""Apply plans layer after layer: what was done is said, whatever happens to the layers after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from blumeops.errors import BlumeOpsError, Diverged, StalePlan
from blumeops.journal import Journal
from blumeops.layer import Desired, Layer, Notify
from blumeops.plan import Answer, Outcome, Plan, Report, Result

log = logging.getLogger(__name__)


def require_current(plans: Report, desired: Desired) -> None:
    """Raise `StalePlan` when a plan is for another revision than Git is at: before any layer is changed."""
    for plan in plans.answers:
        if isinstance(plan, Plan) and plan.desired != desired.revision:
            raise StalePlan(
                f"the plan is for {plan.desired[:12]}, Git is at {desired.revision[:12]}",
                where=plan.layer,
                hint="plan again",
            )


def in_order(
    plans: Report,
    desired: Desired,
    record: Journal,
    notify: Notify,
    layer: Callable[[str], Layer],
    *,
    recheck: bool,
) -> Iterator[Answer]:
    """Apply each layer's plan; after a failure the later layers are not started.

    A layer that breaks instead of answering is a result with its error, so that what the layers before it
    did is reported too. Only a plan that is stale before anything was changed is raised.
    """
    failed, changed = "", False
    for plan in plans.answers:
        if not isinstance(plan, Plan):
            yield plan
            continue
        if failed:
            yield _untouched(plan, desired, f"not started: {failed} failed")
            continue
        record.begun(plan)
        notify(f"{plan.layer}: applying")
        try:
            result = _apply(layer(plan.layer), plan, desired, notify, recheck=recheck)
        except (StalePlan, Diverged) as error:  # by their promise, before anything was changed
            result = _untouched(plan, desired, str(error))
            record.ended(result)
            if not changed:
                raise
        except Exception as error:  # the layer cannot say what it did, so nobody knows
            log.debug("%s", plan.layer, exc_info=True)
            said = str(error) if isinstance(error, BlumeOpsError) else f"{type(error).__name__}: {error}"
            unknown = (Outcome.UNKNOWN,) * len(plan.changes)
            result = Result(plan.layer, desired.revision, plan.changes, unknown, said or "no reason given")
        changed = changed or bool(result.changes)
        record.ended(result)
        notify(str(result))
        failed = "" if result.succeeded else plan.layer
        yield result


def _untouched(plan: Plan, desired: Desired, why: str) -> Result:
    outcomes = (Outcome.NOT_STARTED,) * len(plan.changes)
    return Result(plan.layer, desired.revision, plan.changes, outcomes, why)


def _apply(layer: Layer, plan: Plan, desired: Desired, notify: Notify, *, recheck: bool) -> Result:
    if not plan.changes and layer.recorded() == desired.revision:
        return Result(plan.layer, desired.revision)
    begun = time.monotonic()
    result = layer.apply(plan, desired, notify, recheck=recheck)
    return replace(result, seconds=round(time.monotonic() - begun, 1))
