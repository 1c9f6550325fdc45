"""Words that mean nearly the same to those who run a homelab: they ask in other words than pages answer.

Each line is a group; a phrase counts only as a whole. The words are of the trade, not of any one homelab:
programs stand beside what they are for, so that "the feed reader" finds the page of whichever runs here. What
a repository itself calls its things comes from its titles and aliases, not from here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache

_GROUPS = """
reverse proxy, web server, webserver, caddy, nginx, traefik, haproxy, vhost, virtual host
website, web page, webpage, site, html
uptime monitor, status page, uptime, gatus, uptime kuma, healthcheck, health check, probe, ping, endpoint
dashboard, graph, chart, panel, grafana
metric, prometheus, exporter, scrape, time series, telemetry
cpu, disk, memory, load, node exporter
rss, feed, feed reader, rss reader, news reader, miniflux, freshrss
document archive, document management, scan, scanned, ocr, paperless
backup, back up, archive, save, saved, borg, borgbackup, restic, snapshot, kopia
restore, get back, bring back, recover, put back, extract
nas, storage box, storage server, file server, storage
laptop, notebook, workstation, pc
server, machine, host, box, node, computer
vpn, tailnet, tailscale, headscale, wireguard, mesh
acl, policy, access rule, grant, firewall, permission, allow, may reach
dns, resolver, nameserver, name server, hostname, magicdns, resolve
certificate, tls, https, ssl, padlock, encrypted, encryption
password, passphrase, credential, secret, token, key, login
key, auth key, authkey, pre-auth key
ssh, shell, remote shell, terminal, console
cluster, kubernetes, k8s, k3s, minikube
container, pod, workload, docker, podman
argo, argo cd, argocd, gitops controller
helm, chart
manifest, yaml, kustomize, kustomization
playbook, role, ansible
pulumi, infrastructure as code
sync, reconcile, converge, self-heal, selfheal
drift, changed by hand, manual change, manually, by hand, fiddle, edited, behind git
plan, preview, dry run, look, diff, check mode
apply, deploy, roll out, rollout, provision, deployment
rollback, roll back, revert, undo, go back, previous version, take back
upgrade, update, newer version, newer release, bump, new version
version, release, image tag, tag
runbook, procedure, playbook, notebook
step, cell
sandbox, demo, playground, trial, lab, test environment
schedule, scheduled, cron, cronjob, timer, nightly, every night, each night
alert, alarm, notification, page me, warn, warning
broken, fail, fails, failed, failure, error, wrong, down, dead, does not work
crash, crashloop, restart, crashloopbackoff
stuck, hang, hangs, pending, locked, waiting
interrupted, aborted, killed, half applied, closed, cancelled
install, reinstall, rebuild, set up, setup
delete, deleted, remove, removed, vanish, gone, lost, wipe, disappear
add, new, create, bring up, introduce
allow, permit, open
user, person, people, member, family, partner, friend, guest
owner, administrator, admin
port, listen, socket, occupies
path, file, directory, folder, location
repository, repo, git, checkout, clone
commit, revision
log, journal, log file
record, history, audit, who changed
wiki, docs, documentation, knowledge base, notes, vault
page, article, note
link, wikilink, reference
header, front matter, frontmatter, metadata
stale, outdated, out of date, old
picture, image, screenshot
fact, bound value, bind
assistant, ai, llm, mcp, agent, claude
browser, jupyter, jupyterlab
unprivileged, without root, no root, rootless
start, run, launch, begin, bring up
stop, shut down, tear down, clean up, down
database, postgres, postgresql, sqlite
offsite, second copy, 3-2-1
retention, keep, prune, how long
passed, succeeded, works, green
exit code, return code, exit status
timeout, time out, gives up, wait
tls, plain http
time zone, timezone, clock
patch, security update, unattended upgrade
parameter, argument, option, setting
public key, fingerprint, host key, known hosts
ownership, tag
free space, disk space, room
safe, harmless, risk, danger, damage, harm
secure, security, attacker, intruder, breaks in, stolen
"""


@cache
def groups() -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """For the stem of a phrase's first word, the phrases that begin with it, each with its group's others."""
    found: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    for line in _GROUPS.strip().split("\n"):
        said = tuple(one.strip() for one in line.split(","))
        for phrase in said:
            others = tuple(one for one in said if one != phrase)
            found[stem(re.findall(r"\w+", phrase)[0])].append((phrase, *others))
    return {first: tuple(lines) for first, lines in found.items()}


def found(words: Sequence[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    """Where known phrases stand in some words, the longest first, and what else could be meant by each."""
    stems = [stem(word) for word in words]
    places: defaultdict[tuple[int, int], dict[str, None]] = defaultdict(dict)
    for start, first in enumerate(stems):
        for phrase, *others in groups().get(first, ()):
            wanted = [stem(word) for word in re.findall(r"\w+", phrase)]
            if stems[start : start + len(wanted)] == wanted:
                places[start, start + len(wanted)] |= dict.fromkeys(others)
    ordered = sorted(places, key=lambda place: (place[0] - place[1], place))
    return [(*place, tuple(places[place])) for place in ordered]


@cache
def stem(word: str) -> str:
    """A word without the endings of number and tense; enough to tell that two are the same."""
    for ending, kept in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ing", ""), ("ed", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: len(word) - len(ending)] + kept
            break
    return word.removesuffix("e") if len(word) > 4 else word
