"""What a kernel lets out: no secret, in whatever form and through whichever door (the fault R5)."""

from __future__ import annotations

import base64
import html
import json
import secrets
import string
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from blumeops import redact
from blumeops.redact import Masker
from blumeops.redact_stream import MaskedText, collapsed
from blumeops.runbooks.kernel import Executed, Kernel
from tests.runbooks.kernels import kernel, run

CANARY = "q&<" + secrets.token_urlsafe(18) + "/'+ö"
"""Made anew for each run, with all that an encoding has to do something about."""

IN_FILE = secrets.token_hex(16)
IN_ENVIRONMENT = secrets.token_urlsafe(16)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that knows three secrets: told, of the sandbox's files, and of its environment."""
    folder = tmp_path_factory.mktemp("told")
    root = folder / "root"
    (root / ".sandbox/secrets").mkdir(parents=True)
    (root / ".sandbox/secrets/api-key").write_text(IN_FILE + "\n")
    (root / "canary").write_text(CANARY)
    with kernel(folder, MY_API_TOKEN=IN_ENVIRONMENT) as made:
        done = run(
            made,
            "from pathlib import Path\nfrom blumeops import redact\n"
            "canary = Path('canary').read_text()\nredact.remember(canary)\n"
            "in_file = Path('.sandbox/secrets/api-key').read_text().strip()\n",
        )
        assert done.passed, done.error
        yield made


def everything(done: Executed) -> str:
    parts = [done.error, done.value, *done.depends]
    for output in done.outputs:
        parts += [output.text, *output.others.values()]
    return "\n".join(parts)


def leaked(text: str, secret: str) -> list[str]:
    forms = {
        "plain": secret,
        "url": quote(secret, safe=""),
        "html": html.escape(secret),
        "json": json.dumps(secret)[1:-1],
        "repr": repr(secret)[1:-1],
        "hex": secret.encode().hex(),
        "base64": base64.b64encode(secret.encode()).decode().rstrip("=")[:-1],
    }
    return [name for name, form in forms.items() if form in text]


DOORS = {
    "stdout": "print('it is', {0})",
    "stderr": "import sys\nprint({0}, file=sys.stderr)",
    "raw bytes": "import sys\nsys.stdout.buffer.write(({0} + '\\n').encode())",
    "an exception": "raise ValueError('refused: ' + {0})",
    "an exception's notes": "e = ValueError('x')\ne.add_note({0})\nraise e",
    "a chained exception": (
        "try:\n    raise KeyError({0})\nexcept KeyError as error:\n    raise OSError('y') from error"
    ),
    "a result": "{0}",
    "a result in a list": "[{0}, {{'a': {0}}}]",
    "display of HTML": (
        "from IPython.display import HTML\nimport html\ndisplay(HTML('<b>' + html.escape({0}) + '</b>'))"
    ),
    "a repr in HTML": (
        "class T:\n    def _repr_html_(self): return '<td>' + {0} + '</td>'\n"
        "    def _repr_markdown_(self): return '| ' + {0}\n    def __repr__(self): return {0}\nT()"
    ),
    "JSON": "display({{'application/json': {{'key': {0}}}, 'text/plain': ''}}, raw=True)",
    "a child process": "import subprocess\nsubprocess.run(['printf', '%s', {0}])",
    "a child's standard error": (
        "import subprocess\nsubprocess.run(['sh', '-c', 'printf %s \"$0\" >&2', {0}])"
    ),
    "a command": "!printf '%s' \"$(cat canary .sandbox/secrets/api-key)\"",
    "bash": "%%bash\ncat canary .sandbox/secrets/api-key",
    "many writes": "import sys\nfor c in {0}:\n    sys.stdout.write(c)\n    sys.stdout.flush()",
    "slow writes": (
        "import time\nh = len({0}) // 2\nprint({0}[:h], end='')\ntime.sleep(0.5)\nprint({0}[h:])"
    ),
    "a display in the middle": (
        "h = len({0}) // 2\nprint({0}[:h], end='')\ndisplay('between')\nprint({0}[h:])"
    ),
    "slow writes of a child": (
        "import os, time\nb = {0}.encode()\nos.write(1, b[:9])\ntime.sleep(0.5)\nos.write(1, b[9:])"
    ),
    "colours": "print('\\x1b[31m' + {0}[:8] + '\\x1b[0m' + {0}[8:])",
    "base64": "import base64\nprint(base64.b64encode(b'user:' + {0}.encode()).decode())",
    "a URL": "from urllib.parse import quote\nprint('https://x/?k=' + quote({0}, safe=''))",
    "a warning": "import warnings\nwarnings.warn({0})",
    "a log": "import logging\nlogging.error('key %s', {0})",
    "a thread": "import threading\nt = threading.Thread(target=print, args=({0},)); t.start(); t.join()",
    "a forked child": (
        "import os\npid = os.fork()\nif pid == 0:\n    print({0}); os._exit(0)\nos.waitpid(pid, 0);"
    ),
    "a long line": "print('x' * 100_000 + {0} + 'y' * 100_000)",
}


@pytest.mark.parametrize("door", list(DOORS))
def test_r5_no_secret_leaves_a_kernel(told: Kernel, door: str) -> None:
    live: list[str] = []
    for name, secret in (("canary", CANARY), ("in_file", IN_FILE)):
        done = run(told, DOORS[door].format(name), notify=lambda output: live.append(output.text))
        shown = everything(done)
        assert "[secret]" in shown, shown[-2000:]
        assert leaked(shown + "".join(live), secret) == []


def test_r5_what_an_expression_gives_is_masked(told: Kernel) -> None:
    done = told.evaluate("{'key': canary}")
    assert "[secret]" in done.value and leaked(everything(done), CANARY) == []


def test_r5_a_variable_of_the_environment_that_is_named_like_a_secret_is_one(told: Kernel) -> None:
    done = run(told, "!env | grep MY_API")
    assert "MY_API_TOKEN=[secret]" in everything(done)
    assert leaked(everything(done), IN_ENVIRONMENT) == []


def test_r5_a_secret_that_a_cell_makes_is_masked_in_the_next(told: Kernel) -> None:
    fresh = secrets.token_hex(16)
    run(told, f"Path('.sandbox/secrets/new').write_text('{fresh[:9]}' + '{fresh[9:]}');")
    assert leaked(everything(run(told, "print(Path('.sandbox/secrets/new').read_text())")), fresh) == []


def letters(count: int, of: str = string.ascii_letters + string.digits) -> str:
    return "".join(secrets.choice(of) for _ in range(count))


def shaped() -> dict[str, tuple[str, str]]:
    """Texts that hold a secret by its shape alone, and the secret. None of them stands in this file."""
    key, word = letters(64), letters(24)
    jwt = ".".join(["ey" + "J" + letters(20), "ey" + "J" + letters(40), letters(43)])
    return {
        "tailscale": (f"key: tskey-auth-{word}-{letters(30)}", word),
        "github": (f"remote: ghp_{letters(4)}{(long := letters(36))} ok", long),
        "aws": ("id AKIA" + (aws := letters(16, string.ascii_uppercase + "234567")), aws),
        "bearer": (f"Authorization: Bearer {word}", word),
        "basic": (f'"authorization": "Basic {word}=="', word),
        "jwt": (f"token={jwt};", jwt.rpartition(".")[2]),
        "url": (f"cloning https://user:{word}@git.example/x.git", word),
        "database": (f"postgresql://app:{word}@db:5432/app", word),
        "pem": (
            f"-----BEGIN OPENSSH PRIVATE KEY-----\n{key}\n{key[::-1]}\n-----END OPENSSH PRIVATE KEY-----",
            key,
        ),
    }


@pytest.mark.parametrize("kind", sorted(shaped()))
def test_r5_a_secret_is_known_by_its_shape(told: Kernel, kind: str, tmp_path: Path) -> None:
    text, secret = shaped()[kind]
    (tmp_path / "said").write_text(text + "\nafter it\n")
    done = run(told, f"!cat {tmp_path / 'said'}\nraise ValueError(open({str(tmp_path / 'said')!r}).read())")
    shown = everything(done)
    assert secret not in shown and secret[::-1] not in shown, shown
    assert shown.count("[secret]") >= 2 and "after it" in shown


def test_what_is_no_secret_is_left_as_it_is() -> None:
    mask = Masker()
    for text in (
        "https://indri.example:8443/path?x=1#a",
        "ssh://git@forge.example:2222/owner/repository",
        "bearer of bad news",
        "commit 4d61576a0e2f4c1d9b8a7f6e5d4c3b2a19080706",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "\x1b[32mok\x1b[0m: 3 unchanged",
        "10:42:01 indri: ok=12 changed=0 unreachable=0 failed=0",
    ):
        assert mask(text) == text


def test_a_value_is_found_wherever_it_stands_in_base64() -> None:
    value = secrets.token_urlsafe(20)
    for before in range(8):
        encoded = base64.b64encode(b"\xff" * before + value.encode() + b"\xee" * 5).decode()
        assert any(word in encoded for word in redact.spellings(value)), before


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_pieces_of_any_size_give_the_same_text(size: int) -> None:
    """However a text is cut, what comes out is the text that was masked whole."""
    value = f"two words {secrets.token_hex(6)}"
    mask = Masker([value])
    text = f"one {value} three\n\tprogress 10 %\rprogress 20 %\r{value}\nlast {value}"
    whole = mask(text)
    for idle in (False, True):
        stream = MaskedText(mask)
        out = ""
        for at in range(0, len(text), size):
            out += stream.feed(text[at : at + size]) + (stream.idle() if idle else "")
        assert out + stream.flush() == whole


def test_carriage_returns_are_collapsed_as_a_terminal_does() -> None:
    assert collapsed("a\r\nb\r\n") == "a\nb\n"
    assert collapsed("  0 %\r 50 %\r100 %\ndone") == "100 %\ndone"
    assert collapsed("longer\rab") == "abnger"
    assert collapsed("longer\r\x1b[Kab") == "\x1b[Kab"
