"""Proposals: one branch and one note come of it, or nothing; what is a person's is never touched."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

import pytest

from blumeops import plan_token
from blumeops.assistant import propose_branch as branch
from blumeops.assistant import propose_local as local
from blumeops.assistant.propose import propose
from blumeops.assistant.propose_checks import environment
from blumeops.assistant.propose_files import MOST_BYTES, MOST_FILES, Edit, FileChange, Request
from blumeops.errors import BadInput, BlumeOpsError, GitError, Interrupted, StalePlan, Untrusted
from blumeops.homelab import Homelab
from blumeops.repository import Repository
from tests.assistant.proposing import (
    FILES,
    POLICY,
    ask,
    everything,
    in_files,
    make,
    no_plan,
    page,
    proposed,
    refs,
)

POLICY_FILE = "homelab/pulumi/policy.hujson"


def busy(root: Path) -> Repository:
    """A homelab whose person is in the middle of something: staged, changed and new files."""
    made = make(root)
    (made.root / "docs/caddy.md").write_text("# Caddy\n\nI am writing this.\n")
    made.git("add", "docs/caddy.md")
    (made.root / "docs/caddy.md").write_text("# Caddy\n\nI am writing this still.\n")
    (made.root / "docs/new.md").write_text("# New\n")
    return made


@pytest.fixture
def place(tmp_path: Path) -> Repository:
    """A homelab that a test may change."""
    return busy(tmp_path / "homelab")


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A homelab for the tests in which everything is refused: nothing in it ever changes."""
    return busy(tmp_path_factory.mktemp("refusing") / "homelab")


def test_a_proposal_is_one_branch_and_one_note_and_nothing_of_a_persons_moves(place: Repository) -> None:
    before = everything(place.root)
    made = proposed(place)
    assert everything(place.root) == before
    assert refs(place) == {"refs/heads/main", f"refs/heads/{made.branch.name}", "refs/notes/plans"}
    assert made.branch.state == "open" and made.branch.name.startswith("proposal/say-the-port-")
    assert "8443" in place.git("show", f"{made.branch.commit}:docs/caddy.md").stdout
    assert any("docs/caddy.md: changed here and not committed" in one for one in made.warnings)


def test_its_author_is_said_honestly_and_no_hook_or_key_of_a_person_is_used(place: Repository) -> None:
    for name in ("pre-commit", "commit-msg", "post-commit", "post-checkout", "reference-transaction"):
        hook = place.root / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {place.root}/{name}.ran\nexit 1\n")
        hook.chmod(0o755)
    place.git("config", "commit.gpgsign", "true")
    made = proposed(place).branch
    said = place.git("log", "-1", "--format=%an <%ae>%n%cn%n%B", made.commit).stdout
    assert said.startswith("Ada (assistant) <ada@example.org>\nAda (assistant)\nSay the port\n\nIt moved.\n")
    assert said.rstrip().endswith("Proposed-by: a test 1.0, an assistant")
    assert not list(place.root.glob("*.ran"))


def test_the_same_twice_or_many_times_at_once_is_one_proposal(place: Repository) -> None:
    made, failed = list(), list()

    def one() -> None:
        try:
            made.append(proposed(place))
        except BlumeOpsError as error:
            failed.append(error)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len({one.branch.commit for one in made}) == 1
    assert [one.again for one in made].count(False) == 1
    assert proposed(place).again and len(branch.branches(place)) == 1


CLIMBS = [
    "../outside.md", "/etc/passwd", "docs/../.git/config", "docs//x.md", "docs/./x.md", "docs/x.md/",
    "docs\\x.md", "docs/\u202ex.md", "docs/x\0.md", "docs/%2e%2e/x.md", "C:/docs/x.md", "~/docs/x.md",
]  # fmt: skip
NOT_OPEN = [
    "README.md", "AGENTS.md", "blumeops/cli/__init__.py", ".github/workflows/ci.yml", ".ci/run", "mkdocs.yml",
    ".git/hooks/pre-commit", "homelab/.gitattributes", "docs/.obsidian/app.json", "homelab/targets.toml",
    "homelab/TARGETS.toml", "docs/stylesheets/extra.css", "docs/x.html", "docs/x.svg", "docs/-rf.md",
    "runbooks/records/deploy.json", "runbooks/deeper/x.md", "runbooks/x.py", "docs", "docs/CADDY.md",
    "docs/c\u0430ddy.md",
]  # fmt: skip


@pytest.mark.parametrize("path", [*CLIMBS, *NOT_OPEN], ids=ascii)
def test_d9_a_path_that_climbs_or_is_not_open_is_refused(path: str, refusing: Repository) -> None:
    before, had = everything(refusing.root), refs(refusing)
    with pytest.raises(BadInput) as caught:
        proposed(refusing, ask(FileChange(path, content="x\n")))
    assert caught.value.hint and "\u202e" not in str(caught.value)
    assert everything(refusing.root) == before and refs(refusing) == had


def test_d9_a_link_or_a_folder_is_never_written_through(tmp_path: Path) -> None:
    place = make(tmp_path / "homelab")
    (tmp_path / "outside").mkdir()
    (place.root / "docs/out").symlink_to(tmp_path / "outside")
    (place.root / "docs/link.md").symlink_to("/etc/hostname")
    place.git("add", "--all")
    place.git("commit", "--quiet", "-m", "links")
    for path, word in (
        ("docs/out/x.md", "link"),
        ("docs/link.md", "link"),
        ("docs/caddy.md/x.md", "below a file"),
    ):
        with pytest.raises(BadInput, match=word):
            proposed(place, ask(FileChange(path, content="x\n")))
    assert not list((tmp_path / "outside").iterdir())


def test_all_that_is_wrong_is_said_at_once(refusing: Repository) -> None:
    request = Request(
        "two\nlines",
        "",
        (FileChange("etc/x", content="x"), FileChange("docs/caddi.md", edits=(Edit("a", "b"),))),
    )
    with pytest.raises(BadInput) as caught:
        proposed(refusing, request)
    said = str(caught.value)
    assert all(word in said for word in ("title", "why", "etc/x", "did you mean docs/caddy.md?"))


def test_an_edit_has_to_fit_exactly_once(refusing: Repository) -> None:
    for old, count in (("I am writing this", 0), ("i", 2)):
        with pytest.raises(BadInput, match=f"stands here {count} times"):
            proposed(refusing, ask(FileChange("docs/caddy.md", edits=(Edit(old, "x"),))))
    with pytest.raises(BadInput, match="nothing would change"):
        proposed(refusing, ask(page(text="It listens on 443.")))


def test_more_than_a_person_reads_is_refused(refusing: Repository) -> None:
    many = [FileChange(f"docs/page-{number}.md", content="x\n") for number in range(MOST_FILES + 1)]
    large = FileChange("docs/large.md", content="x" * (MOST_BYTES + 1))
    for files, word in ((many, "21 files"), ([large], "larger than")):
        with pytest.raises(BadInput, match=word):
            proposed(refusing, ask(*files))


def test_d13_a_secret_never_becomes_a_commit(refusing: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    shaped = "tskey-" + "auth-" + secrets.token_hex(8) + "-" + secrets.token_hex(16)
    told = secrets.token_urlsafe(24)
    monkeypatch.setenv("HOMELAB_API_TOKEN", told)
    for value in (shaped, told):
        requests = (
            ask(page(text=f"The key is {value}.")),
            ask(why=f"It is {value}."),
            ask(FileChange("homelab/argocd/web/secret.yaml", content=f"token: {value}\n")),
        )
        for request in requests:
            with pytest.raises(BadInput, match="stands here") as caught:
                proposed(refusing, request)
            assert value not in str(caught.value)
    assert refs(refusing) == {"refs/heads/main"}


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\U000e0041", "\x1b", "\u2028"], ids=ascii)
def test_d8_what_a_reviewer_cannot_see_is_refused(character: str, refusing: Repository) -> None:
    with pytest.raises(BadInput, match="invisible character"):
        proposed(refusing, ask(page(text=f"It listens{character} on 8443.")))
    with pytest.raises(BadInput, match="invisible character"):
        proposed(refusing, ask(why=f"It{character} moved."))


def test_nobodys_signature_is_forged(place: Repository) -> None:
    for why in (
        "It moved.\n\nReviewed-by: Ada <ada@example.org>",
        "signed-off-by: Ada",
        "Policy-change: none",
    ):
        with pytest.raises(BadInput, match="signature"):
            proposed(place, ask(why=why))
    made = propose(place.root, ask(), proposer="x\nReviewed-by: Ada", planner=no_plan)
    said = place.git("log", "-1", "--format=%(trailers:key=Reviewed-by)", made.branch.commit).stdout
    assert not said.strip()


def test_a_change_of_the_policy_has_to_say_who_gains_or_loses(place: Repository) -> None:
    opened = POLICY.replace("tcp:443", "tcp:443,tcp:80").replace('"tcp:443,tcp:80"', '"tcp:443", "tcp:80"')
    with pytest.raises(BadInput, match="has to say so"):
        proposed(place, ask(FileChange(POLICY_FILE, content=opened)))
    with pytest.raises(BadInput, match="the policy is not among the files"):
        proposed(place, ask(access="Admins gain port 80."))
    made = proposed(place, ask(FileChange(POLICY_FILE, content=opened), access="Admins gain port 80 of web."))
    said = place.git("log", "-1", "--format=%(trailers:key=Policy-change)", made.branch.commit).stdout
    assert "Admins gain port 80 of web." in said


def test_a_policy_that_fails_its_own_tests_never_becomes_a_branch(refusing: Repository) -> None:
    for content, word in (
        (POLICY.replace("tcp:443", "*"), "tag:web:22"),
        (POLICY.replace("tag:web", "tag:wbe", 1), "tag"),
        (POLICY[:-9], "policy.hujson"),
    ):
        with pytest.raises(BadInput, match=word):
            proposed(refusing, ask(FileChange(POLICY_FILE, content=content), access="None."))
    assert refs(refusing) == {"refs/heads/main"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("homelab/argocd/web/deployment.yaml", "kind: [\n"),
        ("homelab/pulumi/data.toml", "x = \n"),
        ("homelab/pulumi/__main__.py", "def\n"),
        ("homelab/argocd/web/data.json", "{"),
        ("docs/caddy.md", "---\ntitle: Caddy\n---\n\n# Caddy\n\nSee [[nowhere]].\n"),
    ],
)  # fmt: skip
def test_what_breaks_a_check_never_becomes_a_branch(path: str, content: str, refusing: Repository) -> None:
    with pytest.raises(BadInput) as caught:
        proposed(refusing, ask(FileChange(path, content=content)))
    assert path in str(caught.value)
    assert refs(refusing) == {"refs/heads/main"}


def test_what_was_broken_before_is_not_held_against_a_proposal(tmp_path: Path) -> None:
    place = make(tmp_path / "homelab", **{"docs/old.md": "# Old\n\nSee [[long gone]].\n"})
    assert proposed(place).branch.state == "open"


def test_the_plan_is_attached_and_its_token_holds_after_the_merge(tmp_path: Path) -> None:
    place = make(tmp_path / "homelab")
    live, planner = in_files(tmp_path / "state")
    homelab = Homelab(place, live.target, live.factories)
    assert homelab.apply().exit_code == 0
    change = FileChange("homelab/argocd/lines", content="d\ne\n")
    made = proposed(place, ask(change), planner).branch
    assert "| cluster | pending | 1 to create |" in made.note and "hosts" not in made.note
    token = plan_token.read(made.note.split("Token: ")[1].split()[0], "sandbox")
    with pytest.raises(StalePlan):
        plan_token.require(homelab, token, homelab.plan(token.layers))
    place.git("merge", "--quiet", "--no-ff", "-m", "Merge", made.name)
    plan_token.require(homelab, token, homelab.plan(token.layers))
    (tmp_path / "state/cluster").write_text("by hand\n")
    with pytest.raises(StalePlan):
        plan_token.require(homelab, token, homelab.plan(token.layers))


RUNS_HERE = [
    ("homelab/pulumi/__main__.py", "open('{ran}', 'w')\n"),
    ("homelab/ansible/roles/web/tasks/main.yaml", "- delegate_to: localhost\n  command: touch {ran}\n"),
    ("homelab/ansible/ansible.cfg", "[defaults]\ncallback_plugins = .\n"),
    ("homelab/ansible/roles/web/templates/site.j2", "host {{{{ lookup('pipe', 'touch {ran}') }}}}\n"),
    ("homelab/ansible/roles/web/templates/new.j2", "#jinja2: variable_start_string: '[%'\n"),
    ("homelab/ansible/inventory/group_vars/all.yaml", "name: \"{{{{ query('pipe', 'touch {ran}') }}}}\"\n"),
    ("homelab/ansible/inventory/group_vars/all.yaml", "ansible_ssh_common_args: -o ProxyCommand=x\n"),
    ("homelab/ansible/inventory/group_vars/all.yaml", "address: -oProxyCommand=touch\n"),
    ("homelab/ansible/inventory/more.yaml", "plugin: generator\n"),
    ("homelab/ansible/roles/vars/tasks/main.yaml", "- command: touch {ran}\n"),
    ("homelab/ansible/roles/files/tasks/main.yaml", "- command: touch {ran}\n"),
    ("homelab/ansible/inventory/hosts.yaml", "a: &a [x]\nansible_connection: *a\n"),
    ("homelab/ansible/roles/web/vars/main.yaml", "[" * 3000 + "]" * 3000),
    ("homelab/ansible/roles/web/defaults/main.yaml", "name: !unsafe '{{{{ x }}}}'\n"),
    ("homelab/ansible/filter_plugins/x.py", "open('{ran}', 'w')\n"),
    ("homelab/argocd/web/kustomization.yaml", "resources: [https://example.org/x]\n"),
    ("homelab/argocd/web/kustomization.yaml", "resources: [deployment.yaml, ../../../../etc]\n"),
    ("homelab/argocd/web/kustomization.yaml", "generators: [deployment.yaml]\n"),
]


@pytest.mark.parametrize(("path", "content"), RUNS_HERE)
def test_what_would_run_here_when_it_is_planned_is_known(path: str, content: str) -> None:
    after = {path: content.format(ran="ran")}
    (why,) = local.reasons(after, FILES, frozenset({*FILES, path})).values()
    assert why.startswith(f"{path} ")


def test_what_would_run_here_is_not_planned_before_a_person_has_read_it(tmp_path: Path) -> None:
    place = make(tmp_path / "homelab")
    _, planner = in_files(tmp_path / "state")
    program = FileChange("homelab/pulumi/__main__.py", content=f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    data = FileChange("homelab/argocd/lines", content="d\ne\n")
    note = proposed(place, ask(program, data), planner).branch.note
    assert "Not planned, tailnet: homelab/pulumi/__main__.py is a program" in note
    assert "| cluster | pending |" in note and "Token: sandbox:cluster:" in note
    assert not (tmp_path / "ran").exists()


def test_aliases_of_aliases_are_looked_at_once() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))
    assert not local.reasons({"homelab/ansible/inventory/all.yaml": bomb}, {}, frozenset())


DATA = [
    ("homelab/ansible/inventory/group_vars/all.yaml", "retention: 14\nname: '{{ inventory_hostname }}'\n"),
    ("homelab/ansible/roles/web/templates/site.j2", "# a comment\nhost {{ name }}\n"),
    ("homelab/ansible/roles/web/files/motd", "hello\n"),
    ("homelab/argocd/web/deployment.yaml", "kind: Deployment\nspec: {replicas: 2}\n"),
    ("homelab/argocd/web/kustomization.yaml", "resources: [./deployment.yaml]\nnamespace: web\n"),
    ("homelab/pulumi/devices.toml", "x = 1\n"),
]


@pytest.mark.parametrize(("path", "content"), DATA)
def test_what_is_data_is_planned_at_once(path: str, content: str) -> None:
    assert not local.reasons({path: content}, FILES, frozenset({*FILES, path}))


def test_a_base_that_has_moved_is_told_with_its_conflicts(tmp_path: Path) -> None:
    place = make(tmp_path / "homelab")
    base = place.head()
    (place.root / "docs/caddy.md").write_text(
        (place.root / "docs/caddy.md").read_text().replace("443", "444")
    )
    place.git("commit", "--quiet", "--all", "-m", "moved")
    made = proposed(place, ask(base=base))
    assert any("has moved" in one and "docs/caddy.md" in one for one in made.warnings)
    other = proposed(place, ask(FileChange("docs/index.md", edits=(Edit("See", "Look at"),)), base=base))
    assert not other.warnings


@pytest.mark.parametrize("base", ["nowhere", "-x", "main@{1}", "main^", "HEAD~1", "a b", ":/first", "../x"])
def test_a_base_is_a_branch_or_a_commit_and_nothing_else(base: str, refusing: Repository) -> None:
    with pytest.raises(GitError):
        proposed(refusing, ask(base=base))


def test_a_proposal_never_stands_on_what_nobody_has_read(place: Repository) -> None:
    first = proposed(place).branch
    for base in (first.name, first.commit):
        with pytest.raises(Untrusted, match="nobody has merged"):
            proposed(place, ask(page(text="More."), base=base))


def test_only_an_open_proposal_can_be_withdrawn(tmp_path: Path) -> None:
    place = make(tmp_path / "homelab")
    made = {
        name: proposed(place, ask(page(text=f"Port {name}."), title=name)).branch.name
        for name in ("open", "merged", "edited", "looked-at")
    }
    place.git("switch", "--quiet", made["edited"])
    place.git("commit", "--quiet", "--amend", "--no-edit", "--date=2020-01-01T00:00:00Z")
    place.git("switch", "--quiet", "main")
    place.git("merge", "--quiet", "--no-ff", "-m", "Merge", made["merged"])
    place.git("worktree", "add", "--quiet", str(tmp_path / "beside"), made["looked-at"])
    gone = branch.withdraw(place, made["open"])
    assert place.git("cat-file", "-t", gone.commit).stdout.strip() == "commit"
    for name, word in (
        ("merged", "merged into main"),
        ("edited", "not the one"),
        ("looked-at", "checked out"),
    ):
        with pytest.raises(Untrusted, match=word):
            branch.withdraw(place, made[name])
    for name in ("main", "nothing", "../main", "refs/heads/main"):
        with pytest.raises(BlumeOpsError, match="no proposal"):
            branch.withdraw(place, name)
    assert {one.name for one in branch.branches(place)} == set(made.values()) - {made["open"]}
    assert place.git("notes", "--ref=plans", "list", gone.commit, check=False).returncode


def test_a_proposal_that_a_person_went_on_with_is_theirs(tmp_path: Path) -> None:
    place = make(tmp_path / "homelab")
    made = proposed(place).branch
    place.git("switch", "--quiet", made.name)
    (place.root / "docs/caddy.md").write_text("# Mine\n")
    place.git("commit", "--quiet", "--all", "-m", "mine")
    mine = place.head()
    place.git("switch", "--quiet", "main")
    with pytest.raises(GitError, match="a person has worked on"):
        proposed(place)
    assert place.resolve(made.name) == mine


def test_one_that_is_stopped_leaves_nothing(place: Repository) -> None:
    before, had = everything(place.root), refs(place)

    def stop(line: str) -> None:
        if "checking" in line:
            raise Interrupted("cancelled")

    with pytest.raises(Interrupted):
        propose(place.root, ask(), proposer="x", notify=stop)
    assert everything(place.root) == before and refs(place) == had


def test_what_plans_and_checks_gets_no_key_of_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"TAILSCALE_API_KEY", "SSH_AUTH_SOCK", "KUBECONFIG", "AWS_PROFILE", "BLUMEOPS_YES", "CI"}
    for name in names:
        monkeypatch.setenv(name, "x")
    assert not names & set(environment())
