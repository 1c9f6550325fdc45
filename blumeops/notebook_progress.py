"""Progress in a notebook: a bar while a verb works, without the caller doing anything; elsewhere nothing.

The usual widgets, by tqdm: it chooses a bar of ipywidgets where these are installed, else one of text. The
bar goes away when the work is done.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from blumeops.layer import Notify


def silent(_line: str) -> None:
    """Say nothing: what a verb does when nobody listens, except in a notebook."""


def in_notebook() -> bool:
    """True in a Jupyter kernel. Not in our own kernel, whose runs have a display of their own."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


@contextlib.contextmanager
def shown(notify: Notify, what: str) -> Iterator[Notify]:
    """The function to tell what goes on: `notify` itself, or a bar when that is `silent` in a notebook."""
    if notify is not silent or not in_notebook():
        yield notify
        return
    from tqdm.auto import tqdm

    # No total: how many changes there will be is known only when the plans are made.
    with tqdm(desc=what, leave=False, bar_format="{desc} [{elapsed}]") as bar:

        def say(line: str) -> None:
            bar.set_description_str(f"{what} · {line}")

        yield say
