"""A place gives the text that is written there, from any format, and nothing outside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.errors import BadInput, Problem
from blumeops.facts import tree
from blumeops.facts.places import Places, Value

FILES = {
    "a.yaml": "version: 1.10\nport: 22:22\nnorway: no\nday: 2026-11-23\noctal: 0755\nempty:\n"
    "quoted: '007'\n"
    "images:\n  - name: web\n    newTag: v3.1\n  - name: db\n    newTag: 17.6-alpine\nlist: [a, b]\n",
    "many.yaml": "kind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n---\nkind: Deployment\n"
    "metadata: {name: web}\nspec:\n  image: docker.io/a/web:1.2.3@sha256:0123\n",
    "policy.hujson": '{\n  // who\n  "tagOwners": {"tag:nas": ["group:a", "group:b"],},\n  "n": 1.10,\n}\n',
    "p.toml": '[dns]\nservers = ["9.9.9.9", "1.1.1.1"]\nttl = 1.50\n'
    '[dns.split]\n"lan.home" = ["192.168.1.1"]\n'
    '[[task]]\nname = "a"\n[[task]]\nname = "b"\non = true\n',
    "c.py": "import os\nos.system('touch ran')\nPORT = 8_080\nNAMES = ('a', 'b')\n"
    "class Pin:\n    name: str\n    version: str\n    LIMIT = 3\n"
    "PINS = (Pin('etcd', '3.7'), Pin('kwok', version='0.8'))\n",
    "unit.service": "[Service]\nExecStart=/usr/bin/web --port 80\nRestart=always\n",
    ".env": "export URL='http://x'  \nTOKEN_FILE=/run/t # where\n",
    "Dockerfile": "ARG VERSION=1.10\nFROM debian:13-slim AS base\nEXPOSE 8080\n",
    "Makefile": "IMAGE := reader\n\n.PHONY: test\ntest: build\n\tpytest\n",
    "go.mod": "module x\n\ngo 1.27.3\n",
    "host.nix": '{\n  networking.hostName = "oak";\n}\n',
}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for path, text in FILES.items():
        (tmp_path / path).write_text(text)
    return Places(tree.read(tmp_path))


def value(places: Places, place: str) -> Value:
    return places.value(place, asked_by=Problem("", "page.md", 3, 7))


@pytest.mark.parametrize(
    ("place", "text", "line"),
    [
        ("a.yaml#version", "1.10", 1),
        ("a.yaml#port", "22:22", 2),
        ("a.yaml#norway", "no", 3),
        ("a.yaml#day", "2026-11-23", 4),
        ("a.yaml#octal", "0755", 5),
        ("a.yaml#quoted", "007", 7),
        ("a.yaml#images[1].newTag", "17.6-alpine", 12),
        ("a.yaml#images[-1].newTag", "17.6-alpine", 12),
        ("a.yaml#images[name=web].newTag", "v3.1", 10),
        ("a.yaml#list", "a, b", 13),
        ("a.yaml#images:count", "2", 9),
        ("many.yaml#kind=Service/web.spec.ports[0].port", "80", 3),
        ("many.yaml#kind=Deployment/web.spec.image:tag", "1.2.3", 8),
        ("many.yaml#kind=Deployment/web.spec.image:name", "docker.io/a/web", 8),
        ('policy.hujson#tagOwners["tag:nas"]', "group:a, group:b", 3),
        ('policy.hujson#tagOwners["tag:nas"][1]', "group:b", 3),
        ("policy.hujson#tagOwners:keys", "tag:nas", 3),
        ("policy.hujson#n", "1.10", 4),
        ("p.toml#dns.servers", "9.9.9.9, 1.1.1.1", 2),
        ("p.toml#dns.ttl", "1.50", 3),
        ('p.toml#dns.split["lan.home"]', "192.168.1.1", 5),
        ("p.toml#task[name=b].on", "true", 10),
        ("c.py#PORT", "8080", 3),
        ("c.py#NAMES[1]", "b", 4),
        ("c.py#PINS[name=kwok].version", "0.8", 9),
        ("c.py#PINS[0].version", "3.7", 9),
        ("c.py#Pin.LIMIT", "3", 8),
        ("unit.service#Service.Restart", "always", 3),
        (".env#URL", "http://x", 1),
        (".env#TOKEN_FILE", "/run/t", 2),
        ("Dockerfile#ARG.VERSION", "1.10", 1),
        ("Dockerfile#FROM", "debian:13-slim AS base", 2),
        ("Dockerfile#EXPOSE", "8080", 3),
        ("Makefile#test", "test", 4),
        ("Makefile#IMAGE", "reader", 1),
        ("go.mod#go", "1.27.3", 3),
        ('host.nix#["networking.hostName"]', "oak", 2),
    ],
)
def test_a_value_is_the_text_that_is_written(places: Places, place: str, text: str, line: int) -> None:
    found = value(places, place)
    assert (found.text, found.line) == (text, line)


def test_what_a_python_file_does_is_not_done(places: Places) -> None:
    value(places, "c.py#PORT")
    assert not (places.tree.root / "ran").exists()
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("../secret.yaml#a", "leads out of the repository"),
        ("/etc/passwd#root", "leads out of the repository"),
        ("%2e%2e/secret.yaml#a", "leads out of the repository"),
        ("a\\..\\b.yaml#a", "leads out of the repository"),
        ("link.yaml#a", "a link that leads out"),
        ("b.yaml#a", "b.yaml is not in the repository"),
        ("sub#a", "is a folder"),
        ("a.yaml", "names no value"),
        ("a.yaml#", "names no value"),
        ("a.yaml#versoin", "has no versoin"),
        ("a.yaml#images[7].newTag", "has no [7]"),
        ("a.yaml#images[name=app].newTag", "has no [name=app]"),
        ("a.yaml#images", "no single value"),
        ("a.yaml#version:size", "':size' is not one of"),
        ("a.yaml#images[", "is no step"),
        ("many.yaml#kind=Deployment/app.spec.image", "holds no Deployment app"),
    ],
)
def test_D1_a_place_that_is_none_is_a_problem_at_the_page(places: Places, place: str, what: str) -> None:
    root = places.tree.root
    (root.parent / "secret.yaml").write_text("a: secret\n")
    (root / "link.yaml").symlink_to(root.parent / "secret.yaml")
    (root / "sub").mkdir()
    with pytest.raises(BadInput) as caught:
        value(places, place)
    (problem,) = caught.value.problems
    assert what in problem.what
    assert (problem.path, problem.line, problem.column) == ("page.md", 3, 7)
    assert "secret\n" not in str(problem)


def test_a_misspelt_step_is_answered_with_the_likely_one(places: Places) -> None:
    with pytest.raises(BadInput) as caught:
        value(places, "a.yaml#versoin")
    assert caught.value.hint == "did you mean version?"


@pytest.mark.parametrize(
    ("name", "text", "what", "line"),
    [
        ("bad.yaml", "a: 1\nb: 2\na: 3\n", "a is given twice", 3),
        ("bad.hujson", '{"a": 1,\n "a": 2}', "a is given twice", 2),
        ("bad.yaml", "a: [1, 2\n", "not YAML", 2),
        ("bad.toml", "a = 1\na = 2\n", "not TOML", 2),
        ("bad.py", "a = (\n", "not Python", 1),
        ("bad.yaml", "a: " + "[" * 400 + "]" * 400 + "\n", "nested", 1),
    ],
)
def test_D6_a_file_that_cannot_be_trusted_is_a_problem_in_its_line(
    tmp_path: Path, name: str, text: str, what: str, line: int
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput) as caught:
        value(Places(tree.read(tmp_path)), f"{name}#a")
    (problem,) = caught.value.problems
    assert what in problem.what
    assert problem.path == name
    assert problem.line in (line, 0)


def test_D5_aliases_that_explode_are_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines) + "\nv: 1\n")
    with pytest.raises(BadInput, match="when its aliases are expanded"):
        value(Places(tree.read(tmp_path)), "bomb.yaml#v")
