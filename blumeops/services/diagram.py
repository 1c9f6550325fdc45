"""The service map as a drawing: machines as panels, services as rows in them, routes from the reverse proxy.

Colours are the site's own variables, so the drawing follows light and dark; the words grow on a narrow
screen. The page's table says everything that the drawing says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from blumeops.services.model import Layer, Service, ServiceMap

WIDTH, LEFT, ROW, PANEL_HEAD, GAP = 656, 16, 54, 46, 26
"""In the drawing's own units; 656 is as wide as the text of a page."""

_STYLE = """
.service-map .panel{fill:var(--bo-sunken,#f3f1ea);stroke:var(--bo-line,#e2ded2);stroke-width:1.2}
.service-map .inner{fill:none;stroke:var(--bo-cluster,#5b3fc4);stroke-width:1.4;stroke-dasharray:5 4}
.service-map .chip{fill:var(--bo-card,#fff);stroke:var(--c);stroke-width:1.6}
.service-map .hosts{--c:var(--bo-hosts,#a8560b)}.service-map .cluster{--c:var(--bo-cluster,#5b3fc4)}
.service-map .none{--c:var(--bo-soft,#565d70)}
.service-map .place{font-size:16px;font-weight:700;fill:var(--bo-ink,#1c2233)}
.service-map .tag{font-size:14px;fill:var(--bo-tailnet,#0d7377)}
.service-map .name{font-size:17px;font-weight:650;fill:var(--c)}
.service-map .what{font-size:13.5px;fill:var(--bo-soft,#565d70)}
.service-map .route{fill:none;stroke:var(--bo-hosts,#a8560b);stroke-width:1.7}
.service-map .tip{fill:var(--bo-hosts,#a8560b)}
.service-map .bad{fill:var(--bo-bad,#b3261e);font-weight:700}
@media (max-width:30em){.service-map .name{font-size:22px}.service-map .place{font-size:21px}
.service-map .what,.service-map .tag{font-size:19px}}
"""


@dataclass(frozen=True, slots=True)
class _Panel:
    """A machine with the services on it, or the cluster (`machine` is then its node, or empty)."""

    name: str
    tags: tuple[str, ...]
    services: tuple[Service, ...]
    inside: tuple[Service, ...] = ()

    @property
    def height(self) -> int:
        inner = PANEL_HEAD + ROW * len(self.inside) if self.inside else 0
        return PANEL_HEAD + ROW * len(self.services) + inner + (10 if self.services or self.inside else 0)


def svg(shown: ServiceMap) -> str:
    """The drawing as one `<svg>` element."""
    panels = _panels(shown)
    top, pieces, places = 4, list[str](), dict[str, int]()
    for panel in panels:
        pieces += _panel(panel, top, places)
        top += panel.height + GAP
    lines = _routes(shown.services, places)
    told = escape(_told(panels, shown), quote=True)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="service-map" viewBox="0 0 {WIDTH} {top - GAP + 6}" '
        f'role="img" aria-label="{told}" font-family="system-ui, sans-serif">'
    )
    return f"{head}<style>{_STYLE}</style>{''.join(pieces)}{''.join(lines)}</svg>"


def _panels(shown: ServiceMap) -> list[_Panel]:
    """A panel for each machine, those that serve routes first, then what no machine is known for."""
    machines = dict.fromkeys(host.value for service in shown.services for host in service.hosts)
    made, proxies = [], _proxies(shown.services)
    for machine in sorted(machines, key=lambda name: (not _serves(shown, name), name)):
        here = [s for s in shown.services if machine in {host.value for host in s.hosts}]
        tags = {
            t.value: None for s in here for h, t in zip(s.hosts, s.tags, strict=False) if h.value == machine
        }
        on_host = [service for service in here if service.layer is not Layer.CLUSTER]
        on_host.sort(key=lambda service: (service not in proxies, not service.routes))
        made.append(_Panel(machine, tuple(tags), tuple(on_host), _cluster(here)))
    lost = [service for service in shown.services if not service.hosts]
    if cluster := _cluster(lost):
        made.append(_Panel("", (), (), cluster))
    if rest := tuple(service for service in lost if service.layer is not Layer.CLUSTER):
        made.append(_Panel("a host that no play names", (), rest))
    return made


def _cluster(services: Sequence[Service]) -> tuple[Service, ...]:
    return tuple(service for service in services if service.layer is Layer.CLUSTER)


def _serves(shown: ServiceMap, machine: str) -> bool:
    return any(machine in {host.value for host in proxy.hosts} for proxy in _proxies(shown.services))


def _proxies(services: Sequence[Service]) -> list[Service]:
    """The services whose roles are the proxies of routes."""
    proxies = {route.proxy for service in services for route in service.routes}
    return [service for service in services if proxies & {role.name for role in service.roles}]


def _panel(panel: _Panel, top: int, places: dict[str, int]) -> Iterator[str]:
    if panel.name:
        yield f'<rect class="panel" x="1" y="{top}" width="{WIDTH - 2}" height="{panel.height}" rx="12"/>'
        yield f'<text class="place" x="{LEFT}" y="{top + 30}">{escape(panel.name)}</text>'
        for tag in panel.tags[:1]:
            at = f'x="{WIDTH - LEFT}" y="{top + 30}"'
            yield f'<text class="tag" {at} text-anchor="end">{escape(tag)}</text>'
    y = top + (PANEL_HEAD if panel.name else 0)
    for service in panel.services:
        yield from _row(service, y, places)
        y += ROW
    if panel.inside:
        height = PANEL_HEAD + ROW * len(panel.inside) - 2
        yield f'<rect class="inner" x="{LEFT}" y="{y}" width="{WIDTH - 2 * LEFT}" height="{height}" rx="10"/>'
        yield f'<text class="place" x="{LEFT + 52}" y="{y + 29}">cluster</text>'
        for n, service in enumerate(panel.inside):
            yield from _row(service, y + PANEL_HEAD - 4 + n * ROW, places)


def _row(service: Service, y: int, places: dict[str, int]) -> Iterator[str]:
    """A service: its chip with name and version, and beside it how it is reached, or that it has a hole."""
    first = service.name not in places
    places.setdefault(service.name, y + 21)
    version = str(service.version or ("package" if service.package else ""))
    yield f'<g class="{service.layer.value}">'
    yield f'<rect class="chip" x="64" y="{y}" width="300" height="42" rx="8"/>'
    yield f'<text class="name" x="78" y="{y + 27}">{escape(_short(service.name, 18))}</text>'
    yield f'<text class="what" x="352" y="{y + 27}" text-anchor="end">{escape(_short(version, 10))}</text>'
    holes = [aspect.name for aspect in service.aspects if aspect.cover.name == "HOLE"]
    # A route leads to one machine; the same service on another one is not reached by it.
    route = next(iter(service.routes), None) if first else None
    words = f"no {', '.join(holes)}" if holes else route.host if route else ""
    bad = " bad" if holes else ""
    yield f'<text class="what{bad}" x="376" y="{y + 27}">{escape(_short(words, 28))}</text></g>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _routes(services: Sequence[Service], places: dict[str, int]) -> Iterator[str]:
    """From the proxy's row a line down the left side, with an arrow into each service that it leads to."""
    for proxy in _proxies(services)[:1]:
        roles = {role.name for role in proxy.roles}
        led = [s for s in services if s is not proxy and any(route.proxy in roles for route in s.routes)]
        ends = sorted(places[service.name] for service in led if service.name in places)
        if not ends or proxy.name not in places:
            return
        start = places[proxy.name]
        yield f'<path class="route" d="M64 {start}H42V{ends[-1] - 6}"/>'
        for end in ends:
            turn = 6 if end > start else -6
            yield f'<path class="route" d="M42 {end - turn}Q42 {end} 48 {end}H56"/>'
            yield f'<path class="tip" d="M64 {end}l-9 -5v10z"/>'


def _told(panels: Sequence[_Panel], shown: ServiceMap) -> str:
    """The drawing in words, for those who do not see it."""
    told = []
    for panel in panels:
        names = ", ".join(service.name for service in panel.services) or "no service of its own"
        inner = (
            f"; in the cluster {', '.join(service.name for service in panel.inside)}" if panel.inside else ""
        )
        told.append(f"{panel.name}: {names}{inner}" if panel.name else f"the cluster{inner[16:]}")
    routed = ", ".join(service.name for service in shown.services if service.routes)
    return ". ".join([*told, f"Routes of the reverse proxy lead to {routed or 'nothing'}."])
