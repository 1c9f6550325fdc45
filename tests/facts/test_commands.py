"""Commands on a page exist: their tasks, words, playbooks, Applications, hosts, tags and clusters."""

from __future__ import annotations

from pathlib import Path

import pytest

from blumeops.facts import shell
from blumeops.facts.page import Page
from tests.facts.conftest import checked, page, problems

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
spec:
  source:
    path: apps/{name}
  destination:
    namespace: {name}
"""


@pytest.fixture
def tools(lab: Path) -> Path:
    """The repository with tasks of all kinds, a playbook, a role and two Applications."""
    for path, text in {
        "mise.toml": '[tasks.deploy]\nrun = "ansible-playbook plays/site.yml"\nalias = "d"\n'
        '[tasks."db:dump"]\nrun = "x"\n',
        "mise-tasks/backup/run.sh": "#!/bin/sh\n#MISE description='Back up'\n",
        "Makefile": "VERSION := 1\n\nup down: setup\nsetup:\n\ttrue\n",
        "justfile": "alias t := test\n\n# all\ntest filter='':\n    true\n@fmt: test\n    true\n",
        "plays/site.yml": "- hosts: servers\n  roles:\n    - role: web\n      tags: [web, proxy]\n",
        "roles/web/tasks/main.yml": "- name: x\n  ansible.builtin.debug:\n  tags:\n    - slow\n",
        "apps/argo/reader.yaml": APPLICATION.format(name="reader"),
        "apps/argo/feeds.yaml": APPLICATION.format(name="feeds"),
        "scripts/check.sh": "true\n",
    }.items():
        (lab / path).parent.mkdir(parents=True, exist_ok=True)
        (lab / path).write_text(text)
    return lab


@pytest.mark.parametrize(
    "command",
    [
        "mise run deploy",
        "mise run d",
        "mise run db:dump && mise run backup:run",
        "mise run -q deploy -- --tags web --limit oak",
        "mise run <task>",
        "mise run TASK",
        "make up VERSION=2",
        "make -C elsewhere install",
        "just test one",
        "just t",
        "just fmt",
        "ansible-playbook plays/site.yml -i inventory/hosts.yaml --tags web,slow --limit 'servers:!oak'",
        "cd plays && ansible-playbook site.yml --skip-tags=proxy",
        "cd ~/other && make nothing && mise run nothing",
        "git clone https://example.org/x && cd x && make nothing",
        "argocd app sync reader",
        "argocd app sync argocd/reader --prune",
        "argocd app set <app> --revision main",
        "argocd app list",
        "argocd app sync -l team=a",
        "kubectl --context lab get pods",
        "kubectl config get-contexts",
        "kubectl --kubeconfig k get pods",
        "ssh oak 'make nothing; mise run nothing'",
        "./scripts/check.sh",
        "FOO=1 sudo ./scripts/check.sh | tee apps/out.txt",
        "cat <<EOF > apps/new.yaml\nmake nothing\nEOF",
        "echo 'make nothing",
        "mkdir -p apps/other && touch apps/other/a.yaml && cat apps/other/a.yaml",
        "blumeops plan tailnet --json | head",
        "blumeops docs check --root ~/notes",
        "# make nothing",
        "echo done # don't make nothing",
        "curl -s http://oak/apps/none.yaml",
        "docker run x apps/none.yaml",
        "tar czf apps/backup.tgz inventory",
        "kubectl --context lab get x -o apps/out.yaml",
    ],
)
def test_a_command_that_works_is_left_alone(tools: Path, command: str) -> None:
    page(tools, f"```bash\n{command}\n```\n")
    assert problems(tools) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("mise run deplyo", "mise run deplyo: no such task | hint: did you mean deploy?"),
        ("mise run -q nothing", "mise run nothing: no such task"),
        ("mise run deploy -- --tags wbe", "--tags wbe: no such tag"),
        ("mise tasks run nothing", "mise run nothing: no such task"),
        ("make setpu", "make setpu: no such target | hint: did you mean setup?"),
        ("true; make up nothing", "make nothing: no such target"),
        ("just tset", "just tset: no such recipe | hint: did you mean test?"),
        ("ansible-playbook plays/sites.yml", "ansible-playbook plays/sites.yml: no such playbook"),
        ("cd plays\nansible-playbook sites.yml", "ansible-playbook sites.yml: no such playbook"),
        ("ansible-playbook plays/site.yml -l ash", "-l ash: no such host or group"),
        ("ansible-playbook plays/site.yml -t web,qq", "-t qq: no such tag"),
        (
            "argocd app sync raeder",
            "argocd app sync raeder: no such Application | hint: did you mean reader?",
        ),
        ('echo "$(argocd app get nothing)"', "argocd app get nothing: no such Application"),
        ("./scripts/chekc.sh", "scripts/chekc.sh is not in the repository | hint: did you mean"),
        ("kubectl --context lab apply \\\n  -f apps/none.yaml", "apps/none.yaml is not in the repository"),
        ("helm upgrade x --values=apps/none.yaml", "apps/none.yaml is not in the repository"),
        ("blumeops plan kitchen", "kitchen"),
        ("blumeops aply", "blumeops aply: no such command | hint: did you mean apply?"),
        ("blumeops plan --jsno", "no such option --jsno | hint: did you mean --json?"),
        ("blumeops rollback", "Missing argument"),
    ],
)
def test_a_command_that_does_not_is_a_problem(tools: Path, command: str, said: str) -> None:
    page(tools, f"# A\n\n```bash\n{command}\n```\n")
    (found,) = problems(tools)
    assert found.startswith(("docs/page.md:4:1: ", "docs/page.md:5:1: "))
    assert said in found


@pytest.mark.parametrize(
    "command", ["mise run nothing", "make nothing", "blumeops nothing", "argocd app get none"]
)
def test_a_command_in_a_sentence_counts(tools: Path, command: str) -> None:
    page(tools, f"Run `{command}` then.\n")
    assert len(problems(tools)) == 1


def test_what_is_printed_and_what_is_python_is_no_command(tools: Path) -> None:
    page(
        tools,
        "```text\nmake nothing\n```\n```\nmake nothing\n```\n```console\nmake nothing\n$ make up\n```\n",
    )
    assert problems(tools) == []


def test_kubectl_without_a_context_is_a_warning_and_where_most_have_one_a_problem(tools: Path) -> None:
    page(tools, "```bash\nkubectl get pods\n```\n")
    assert [p.what for p in checked(tools).warnings] == ["kubectl names no context"]
    page(tools, "```bash\n" + "kubectl --context lab get pods\n" * 3 + "```\n", "docs/other.md")
    assert [p.what for p in checked(tools).problems] == ["kubectl names no context"]
    page(tools, "First `kubectl config use-context lab`.\n\n```bash\nkubectl get pods\n```\n")
    assert checked(tools).findings == ()


def test_pages_of_the_past_are_exempt_but_not_their_bound_values(tools: Path) -> None:
    old = "`mise run nothing` 1<!-- fact: apps/reader/kustomization.yaml#images[0].newTag -->\n"
    for path in (
        "CHANGELOG.md",
        "docs/decisions/0001-x.md",
        "docs/2024-01-02-outage.md",
        "docs/archive/x.md",
    ):
        page(tools, old, path)
    page(tools, f"---\nstatus: archived\n---\n{old}", "docs/was.md")
    assert len(problems(tools)) == 5
    assert all("the page says '1'" in one for one in problems(tools))


def test_words_are_split_as_a_shell_does() -> None:
    text = "```sh\nA=1 git commit -m \"it's; fine\" -- 'a b' 2>&1 >out.txt && x \\\n  y # no\n```\n"
    found = list(shell.commands(Page("p.md", text)))
    assert [(c.words, c.writes) for c in found] == [
        (("git", "commit", "-m", "it's; fine", "--", "a b"), ("out.txt",)),
        (("x", "y"), ()),
    ]


def test_an_import_of_what_is_not_there_is_a_problem(tools: Path) -> None:
    (tools / "lab").mkdir()
    (tools / "lab/__init__.py").write_text("from lab.homes import Home\nraise SystemExit('never imported')\n")
    (tools / "lab/homes.py").write_text("class Home: ...\nLIMIT: int = 3\n")
    page(tools, "```python\nfrom lab import Home, homes\nfrom lab.homes import LIMIT\nimport json\n```\n")
    assert problems(tools) == []
    page(tools, "```python\nfrom lab import Hoem\nimport lab.house\n```\n")
    assert [one.partition(": ")[2] for one in problems(tools)] == [
        "lab has no Hoem | hint: did you mean Home?",
        "there is no module lab.house | hint: did you mean lab/homes.py?",
    ] or len(problems(tools)) == 2
