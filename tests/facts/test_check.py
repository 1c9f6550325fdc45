"""`blumeops docs check`: what it says, what it ends with, and that it writes only when it is told to."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from blumeops.cli import cli
from blumeops.errors import BadInput
from blumeops.facts import check
from tests.facts.conftest import checked, page, problems

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Done:
    """How the verb ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def run(*words: str) -> Done:
    """Run the verb, in this process."""
    done = CliRunner().invoke(cli, ["docs", "check", *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return Done(done.return_value, done.stdout, done.stderr)


def test_what_our_own_docs_say_is_true() -> None:
    """Every value, register, command, path, list, version of this repository; and not one false alarm."""
    found = check.check(ROOT, clis={"blumeops": cli})
    assert [str(one.problem) for one in found.findings] == []
    assert len(found.facts) > 40
    assert found.blocks >= 7
    assert found.commands > 300


def test_true_docs_end_with_0_and_one_line(lab: Path) -> None:
    done = run("--root", str(lab))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "1 page, 3 facts, 0 blocks, 0 commands checked: 0 problems, 0 warnings\n"


def test_a_problem_ends_with_2_under_the_name_of_its_file(lab: Path) -> None:
    (lab / "apps/reader/kustomization.yaml").write_text("images: [{newTag: '3'}]\n")
    done = run("--root", str(lab))
    assert done.returncode == 2
    assert done.stdout.startswith("docs/reader.md\n       6:7  the page says '2.2.9', apps/reader")
    told = json.loads(run("--root", str(lab), "--json").stdout)
    (problem,) = told["problems"]
    assert problem["path"] == "docs/reader.md"
    assert (problem["line"], problem["column"], told["facts"]) == (6, 7, 3)
    assert problem["hint"] == "`blumeops docs check --fix` rewrites the page"


def test_fix_says_what_it_rewrote_and_ends_with_0(lab: Path) -> None:
    (lab / "apps/reader/kustomization.yaml").write_text("images: [{newTag: '3'}]\n")
    done = run("--root", str(lab), "--fix")
    assert done.returncode == 0
    assert "fixed  docs/reader.md:6: 2.2.9 → 3 (from apps/reader/kustomization.yaml:1)" in done.stderr
    assert run("--root", str(lab)).returncode == 0


def test_without_fix_nothing_is_written(lab: Path) -> None:
    page(lab, "<!-- blumeops:begin hosts -->\n<!-- blumeops:end -->\n`9`<!-- fact: a#b -->\n")
    before = {path: path.read_bytes() for path in lab.rglob("*") if path.is_file()}
    assert run("--root", str(lab)).returncode == 2
    assert {path: path.read_bytes() for path in lab.rglob("*") if path.is_file()} == before


def test_a_warning_fails_only_when_strict(lab: Path) -> None:
    page(lab, "# A\n\n```bash\nkubectl get pods\n```\n")
    assert run("--root", str(lab)).returncode == 0
    done = run("--root", str(lab), "--strict")
    assert done.returncode == 2
    assert "kubectl names no context" in done.stdout


def test_a_homelab_that_does_not_answer_is_unknown_and_never_fine(lab: Path) -> None:
    done = run("--root", str(lab), "--live")
    assert done.returncode == 4
    assert "unknown: target sandbox: the sandbox is not up" in done.stdout
    assert done.stderr.endswith("0 looked at live checked: 0 problems, 0 warnings, 1 unknown\n")


def test_D1_a_page_that_is_a_link_out_of_the_repository_is_not_read(lab: Path) -> None:
    (lab.parent / "outside.md").write_text("# A\n\n`1`<!-- fact: nothing#here -->\n")
    (lab / "docs/out.md").symlink_to(lab.parent / "outside.md")
    assert not any("nothing" in one for one in problems(lab))


def test_a_page_that_is_no_text_is_a_problem(lab: Path) -> None:
    (lab / "docs/odd.md").write_bytes(b"# A\n\xff\xfe\n")
    assert any("docs/odd.md: not UTF-8 (byte 4)" in one for one in problems(lab))


@pytest.mark.parametrize(
    "text",
    [
        "`apps/reader/none.yaml`",
        "`apps/reader/`, `apps/none/`",
        "`apps/reader/kustomization.yml`",
        "`./apps/reader/x.yaml`",
        "`apps/*/none.yaml`",
        "`apps/reader/none.yaml:12`",
        "`apps/reader/none.yaml#images`",
    ],
)
def test_a_path_that_is_not_there_is_a_problem(lab: Path, text: str) -> None:
    page(lab, f"See {text}.\n")
    assert len(problems(lab)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "`apps/reader/kustomization.yaml:5`, `apps/reader`, `./inventory/hosts.yaml`, `apps/*/*.yaml`",
        "`apps/<name>/x.yaml`, `apps/{a,b}/x.yaml`, `apps/$NAME/x.yaml`, `apps/NAME/x.yaml`, `apps/…/x.yaml`",
        "`/etc/apps/x.yaml`, `~/apps/x.yaml`, `https://x.y/apps/x.yaml`, `git@x.y:apps/x.yaml`",
        "`reader/kustomization.yaml`, `and/or`, `1/2`, `text/html`, `origin/main`, `other/apps/x.yaml`",
        "We removed `apps/old/x.yaml`. Create `apps/new/x.yaml`. Upstream has `apps/x/y.go`.",
        "`apps/v1`",
        "`reader.md`, `../apps/reader/kustomization.yaml`",
    ],
)
def test_what_is_no_path_of_the_repository_is_left_alone(lab: Path, text: str) -> None:
    page(lab, f"{text}\n")
    assert problems(lab) == []


def test_what_git_ignores_may_be_named(lab: Path) -> None:
    (lab / ".gitignore").write_text("*.retry\n")
    page(lab, "See `apps/site.retry` and `apps/site.none`.\n")
    subprocess.run(["git", "init", "-q", str(lab)], check=True)
    assert [one.partition(" ")[2][:10] for one in problems(lab)] == ["apps/site."]
    assert "apps/site.none" in problems(lab)[0]


def test_a_check_counts_what_it_looked_at(lab: Path) -> None:
    page(lab, "`make up` and\n\n```bash\nls a | wc\n```\n")
    found = checked(lab)
    assert (found.pages, found.commands) == (2, 3)


LIST = "# Apps\n\n| App | Does |\n|---|---|\n{rows}\n"
APPS = ("reader", "home-assistant", "loki", "grafana", "tempo")


@pytest.fixture
def apps(lab: Path) -> Path:
    """The repository with five Applications."""
    for name in APPS:
        text = f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\nspec: {{}}\n"
        (lab / f"apps/{name}.yaml").write_text(text)
    return lab


@pytest.mark.parametrize(
    "row",
    ["`{}` | it", "**{}** | it", "[[{}]] | it", "[[{}|Something]] | it", "[It]({}.md) | it", "It | `{}`"],
)
def test_a_list_may_write_names_in_any_form(apps: Path, row: str) -> None:
    rows = [row.format(name) if name in ("home-assistant", "loki") else f"{name} | x" for name in APPS]
    page(apps, LIST.format(rows="\n".join(f"| {one} |" for one in rows)))
    assert [one for one in problems(apps) if "row" in one or "there is no" in one] == []


def test_a_list_may_write_names_as_titles(apps: Path) -> None:
    rows = "\n".join(f"| {name.replace('-', ' ').title()} | x |" for name in APPS)
    page(apps, LIST.format(rows=rows + "\n| All others | x |"))
    assert problems(apps) == []


def test_a_list_that_lacks_one_or_has_one_too_many_says_so(apps: Path) -> None:
    page(apps, LIST.format(rows="\n".join(f"| `{name}` | x |" for name in [*APPS[1:], "promtail"])))
    assert [one.partition(": ")[2].partition(" | ")[0] for one in problems(apps)] == [
        "the Application reader has no row in this table of Applications",
        "there is no Application promtail in the repository",
    ]


@pytest.mark.parametrize("names", [APPS[:2], ("a", "b", "c", "loki"), ("grafana", "proxmox", "truenas")])
def test_a_table_that_is_no_list_of_all_is_left_alone(apps: Path, names: tuple[str, ...]) -> None:
    page(apps, LIST.format(rows="\n".join(f"| `{name}` | x |" for name in names)))
    assert problems(apps) == []


def test_a_page_that_nothing_leads_to_is_found(lab: Path) -> None:
    """A mistake where the site is ours; in a vault that people read by its folders it is a warning."""
    for name, leads in (("a", "b"), ("b", "a"), ("lonely", "a")):
        (lab / f"docs/{name}.md").write_text(f"# {name}\n\n[[{leads}]]\n")
    told = json.loads(run("--root", str(lab), "--json").stdout)
    assert told["problems"] == []
    assert "docs/lonely.md" in [one["path"] for one in told["warnings"]]
    (lab / "mkdocs.yml").write_text("site_name: Lab\nplugins:\n  - blumeops\n")
    done = run("--root", str(lab))
    assert done.returncode == 2
    assert "docs/lonely.md\n         1  no page links here" in done.stdout


def test_a_build_compares_the_pages_first_unless_told_not_to(lab: Path) -> None:
    (lab / "mkdocs.yml").write_text("site_name: Lab\nplugins:\n  - blumeops\n")
    (lab / "docs/index.md").write_text("# Lab\n\n[[reader]]\n")
    (lab / "apps/reader/kustomization.yaml").write_text("images: [{newTag: '3'}]\n")
    build = ["docs", "build", "--root", str(lab)]
    done = CliRunner().invoke(cli, build, standalone_mode=False)
    assert isinstance(done.exception, BadInput)
    assert done.exception.problems[0].path == "docs/reader.md"
    assert not (lab / "site").exists()
    assert CliRunner().invoke(cli, [*build, "--no-facts"], standalone_mode=False).exception is None
    assert (lab / "site/index.html").exists()


def test_a_folder_without_a_page_is_no_good_site(tmp_path: Path) -> None:
    """Whoever names the wrong folder hears of it, in place of "0 problems"."""
    done = run("--root", str(tmp_path))
    assert done.returncode == 2
    assert "there is no page in this folder" in done.stdout
    built = CliRunner().invoke(cli, ["docs", "build", "--root", str(tmp_path)], standalone_mode=False)
    assert isinstance(built.exception, BadInput)
