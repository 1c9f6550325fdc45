// Draws the pages and their links: a page's neighbourhood at its end, and all of them on the graph's own page.
// The renderer and the data are fetched when a drawing comes into view, so other pages pay nothing for them.
(() => {
  const here = new URL(".", document.currentScript.src);
  const site = new URL("../../", here);
  const KINDS = { tutorials: "--bo-good", "how-to": "--bo-hosts", runbook: "--bo-bad", reference: "--bo-bloom",
    explanation: "--bo-tailnet", library: "--bo-soft", top: "--bo-ink" };
  const COLOURS = ["--bo-bloom", "--bo-tailnet", "--bo-hosts", "--bo-cluster", "--bo-good", "--bo-warn", "--bo-bad"];
  const LISTED = 200; // a longer list is no help to anybody
  const NEIGHBOURS = 40;
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const script = (name) => new Promise((done, failed) => {
    const tag = document.createElement("script");
    tag.src = new URL(name, here).href;
    tag.onload = done;
    tag.onerror = () => failed(new Error(name));
    document.head.append(tag);
  });
  const once = (make) => {
    let made;
    return () => (made ??= make());
  };
  const renderer = once(() => script("force-graph.min.js"));
  // A page opened as a file may not fetch, but it may load a script.
  const data = once(async () => {
    if (location.protocol === "file:") {
      await script("graph-data.js");
      return read(globalThis.blumeopsGraph);
    }
    const answer = await fetch(new URL("graph.json", here));
    if (!answer.ok) throw new Error("graph.json");
    return read(await answer.json());
  });

  const read = ({ nodes, edges }) => {
    const made = nodes.map((node) => ({ ...node, near: new Set(), degree: node.in + node.out }));
    for (const [from, to] of edges) {
      made[from].near.add(made[to]);
      made[to].near.add(made[from]);
    }
    const kinds = [...new Set(nodes.map((node) => node.kind))].sort();
    return { nodes: made, edges: edges.map(([from, to]) => [made[from], made[to]]), kinds };
  };

  // With directory addresses a page is `a/b/`, without them `a/b.html`; this page's own address tells.
  const flat = (path) => {
    const stem = path.replace(/\.md$/, "");
    return !/(^|\/)index$/.test(stem) && location.pathname.endsWith(`/${stem}.html`);
  };
  const address = (path, isFlat) => {
    const stem = path.replace(/\.md$/, "");
    if (isFlat) return new URL(`${stem}.html`, site).href;
    const folder = stem.replace(/(^|\/)index$/, "");
    const file = location.protocol === "file:" ? "index.html" : "";
    return new URL(folder ? `${folder}/${file}` : file, site).href;
  };

  const colours = (kinds) => {
    const style = getComputedStyle(document.body);
    const value = (name) => style.getPropertyValue(name).trim() || "#777";
    const colour = (kind, n) => value(KINDS[kind] ?? COLOURS[n % COLOURS.length]);
    const all = Object.fromEntries(kinds.map((kind, n) => [kind, colour(kind, n)]));
    const font = value("--md-text-font").replaceAll('"', "");
    return { kinds: all, ink: value("--bo-ink"), line: value("--bo-soft"), paper: value("--bo-paper"), font };
  };
  const size = (node) => 2.5 + Math.sqrt(node.degree) * 0.9;

  // The same start every time: pages of one kind side by side on a spiral. The simulation is repeatable too.
  const place = (nodes, kinds) => {
    const order = [...nodes].sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || (a.path < b.path ? -1 : 1));
    order.forEach((node, n) => {
      node.x = 14 * Math.sqrt(n) * Math.cos(n * 2.39996);
      node.y = 14 * Math.sqrt(n) * Math.sin(n * 2.39996);
    });
  };

  const drawings = new Set();
  function draw(box, { nodes, edges, kinds }, { height, isFlat, centre = null, whole }) {
    const canvas = box.appendChild(document.createElement("div"));
    canvas.className = "graph-canvas";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", whole ? "All pages and their links; the list has the same pages"
      : "The pages around this one; they are listed above");
    const state = { look: colours(kinds), hover: null, shown: () => true, found: null, moved: false };
    place(nodes, kinds);
    const lit = (node) => {
      if (state.hover) return node === state.hover || state.hover.near.has(node);
      return !state.found || state.found.has(node);
    };
    const named = (node, scale) => {
      if (node === state.hover || node === centre) return true;
      if (state.hover) return state.hover.near.has(node) && (scale > 0.8 || state.hover.near.size < 15);
      if (state.found) return state.found.has(node) && state.found.size < 30;
      return !whole || scale * size(node) > 7.5;
    };
    const label = (node, context, scale) => {
      const text = node.title.length > 34 ? `${node.title.slice(0, 33)}…` : node.title;
      const strong = node === state.hover || node === centre;
      const points = (strong ? 13 : 11.5) / scale;
      context.font = `${strong ? 600 : 400} ${points}px ${state.look.font}, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "top";
      const y = node.y + size(node) + 2 / scale;
      context.lineWidth = 3 / scale;
      context.strokeStyle = state.look.paper;
      context.lineJoin = "round";
      context.strokeText(text, node.x, y);
      context.fillStyle = state.look.ink;
      context.fillText(text, node.x, y);
    };
    const graph = globalThis.ForceGraph()(canvas)
      .width(box.clientWidth).height(height)
      .graphData({ nodes, links: edges.map(([source, target]) => ({ source, target })) })
      .nodeId("path").nodeLabel(() => "").backgroundColor("rgba(0,0,0,0)")
      .nodeVisibility((node) => state.shown(node))
      .linkVisibility((link) => state.shown(link.source) && state.shown(link.target))
      .linkColor((link) => {
        const bright = state.hover && (link.source === state.hover || link.target === state.hover);
        return bright ? state.look.ink : `color-mix(in srgb, ${state.look.line} ${state.hover || state.found ? 14 : 38}%, transparent)`;
      })
      .linkWidth((link) => (state.hover && (link.source === state.hover || link.target === state.hover) ? 1.4 : 0.7))
      .nodeCanvasObject((node, context, scale) => {
        context.globalAlpha = lit(node) ? 1 : 0.16;
        context.beginPath();
        context.arc(node.x, node.y, size(node), 0, 2 * Math.PI);
        context.fillStyle = state.look.kinds[node.kind];
        context.fill();
        if (node === centre || node === state.hover) {
          context.lineWidth = 2 / scale;
          context.strokeStyle = state.look.ink;
          context.stroke();
        }
        context.globalAlpha = 1;
      })
      .nodePointerAreaPaint((node, colour, context) => {
        context.fillStyle = colour;
        context.beginPath();
        context.arc(node.x, node.y, size(node) + 3, 0, 2 * Math.PI);
        context.fill();
      })
      // Names go over all nodes, and never over each other: the page with more links keeps its name.
      .onRenderFramePost((context, scale) => {
        const taken = [];
        const order = nodes.filter((node) => state.shown(node) && named(node, scale))
          .sort((a, b) => (b === state.hover) - (a === state.hover) || (b === centre) - (a === centre) || b.degree - a.degree);
        for (const node of order) {
          const width = Math.min(node.title.length, 34) * 6.2 / scale;
          const top = node.y + size(node);
          const free = taken.every(([x, y, w]) => Math.abs(x - node.x) > (w + width) / 2 || Math.abs(y - top) > 14 / scale);
          if (!free && node !== state.hover) continue;
          taken.push([node.x, top, width]);
          label(node, context, scale);
        }
      })
      .onNodeHover((node) => {
        state.hover = node;
        canvas.style.cursor = node ? "pointer" : "";
        touch();
      })
      .onNodeClick((node) => visit(address(node.path, isFlat)))
      .onNodeDrag(() => (state.moved = true))
      .onZoom(() => {})
      .minZoom(0.05).maxZoom(8)
      // A page that is scrolled over its neighbourhood goes on scrolling: there Ctrl and the wheel zoom.
      .enableZoomInteraction((event) => whole || event.ctrlKey || event.metaKey)
      .enablePanInteraction((event) => whole || !event.touches);
    graph.d3Force("charge").strength(whole ? -60 : -190).distanceMax(whole ? 320 : 600);
    graph.d3Force("link").distance(whole ? 34 : 62);
    // Without it a page that nothing links to drifts away, and the rest is drawn small to show it too.
    graph.d3Force("gravity", (alpha) => nodes.forEach((node) => {
      node.vx -= node.x * alpha * (whole ? 0.07 : 0.04);
      node.vy -= node.y * alpha * (whole ? 0.07 : 0.06);
    }));
    const fit = () => {
      if (state.moved) return;
      graph.zoomToFit(still.matches ? 0 : 250, whole ? 24 : 46, (node) => state.shown(node));
      setTimeout(() => graph.zoom() > 2.2 && !state.moved && graph.zoom(2.2), still.matches ? 0 : 280);
    };
    canvas.addEventListener("wheel", () => (state.moved = true), { passive: true });
    graph.onEngineStop(fit);
    if (still.matches) graph.warmupTicks(160).cooldownTicks(0);
    else graph.warmupTicks(whole ? 20 : 60).cooldownTicks(whole ? 160 : 60).cooldownTime(5000);
    setTimeout(fit, 60);
    const touch = () => graph.nodeVisibility(graph.nodeVisibility());
    const sized = new ResizeObserver(() => box.clientWidth && graph.width(box.clientWidth));
    sized.observe(box);
    const drawing = {
      box, state, touch, fit,
      recolour: () => { state.look = colours(kinds); touch(); },
      end: () => { sized.disconnect(); graph._destructor(); drawings.delete(drawing); },
    };
    drawings.add(drawing);
    return drawing;
  }

  // As a click on a link, so that Material's instant navigation takes it.
  const visit = (url) => {
    const link = document.createElement("a");
    link.href = url;
    link.hidden = true;
    document.querySelector(".md-content__inner, body").append(link);
    link.click();
    link.remove();
  };

  const element = (tag, values = {}, ...inside) => {
    const made = Object.assign(document.createElement(tag), values);
    made.append(...inside);
    return made;
  };

  function local(box, all) {
    const path = box.dataset.page;
    const centre = all.nodes.find((node) => node.path === path);
    if (!centre) return box.closest("details")?.remove();
    const near = [...centre.near].sort((a, b) => b.degree - a.degree).slice(0, NEIGHBOURS);
    const kept = new Map([centre, ...near].map((node) => [node, { ...node, near: new Set() }]));
    const edges = all.edges.filter(([a, b]) => kept.has(a) && kept.has(b)).map(([a, b]) => [kept.get(a), kept.get(b)]);
    edges.forEach(([a, b]) => { a.near.add(b); b.near.add(a); });
    const small = { nodes: [...kept.values()], edges, kinds: all.kinds };
    draw(box, small, { height: 300, isFlat: flat(path), centre: kept.get(centre), whole: false });
  }

  function whole(box, all) {
    const search = element("input", { type: "search", placeholder: "Find a page" });
    search.setAttribute("aria-label", "Find a page in the graph");
    const tags = [...new Set(all.nodes.flatMap((node) => node.tags))].sort((a, b) => a.localeCompare(b));
    const tag = element("select", {}, element("option", { value: "", textContent: "All tags" }),
      ...tags.map((name) => element("option", { value: name, textContent: name })));
    tag.setAttribute("aria-label", "Only pages with this tag");
    const off = new Set(all.kinds.includes("library") ? ["library"] : []);
    const look = colours(all.kinds);
    const kinds = all.kinds.map((kind) => {
      const dot = element("i", { className: "graph-dot" });
      const count = all.nodes.filter((node) => node.kind === kind).length;
      const button = element("button", { type: "button", className: "graph-kind" }, dot, `${kind} ${count}`);
      button.dataset.kind = kind;
      dot.style.background = look.kinds[kind];
      button.setAttribute("aria-pressed", String(!off.has(kind)));
      button.onclick = () => {
        off.has(kind) ? off.delete(kind) : off.add(kind);
        button.setAttribute("aria-pressed", String(!off.has(kind)));
        update();
      };
      return button;
    });
    const count = element("p", { className: "graph-count" });
    count.setAttribute("role", "status");
    const list = element("ul", { className: "graph-list" });
    const side = element("div", { className: "graph-side" }, count, list);
    const controls = element("div", { className: "graph-controls" }, search, tag, ...kinds);
    const stage = element("div", { className: "graph-stage" });
    box.append(controls, stage, side);
    const isFlat = flat("graph.md");
    const drawing = draw(stage, all, { height: Math.max(380, Math.min(680, innerHeight - 260)), isFlat, whole: true });
    const recolour = drawing.recolour;
    drawing.recolour = () => {
      recolour();
      kinds.forEach((button) => (button.firstChild.style.background = drawing.state.look.kinds[button.dataset.kind]));
    };

    const update = () => {
      const words = search.value.trim().toLowerCase();
      const fits = (node) => !off.has(node.kind) && (!tag.value || node.tags.includes(tag.value));
      const found = all.nodes.filter((node) => fits(node)
        && (!words || node.title.toLowerCase().includes(words) || node.path.toLowerCase().includes(words)));
      drawing.state.shown = fits;
      drawing.state.found = words ? new Set(found) : null;
      const ordered = [...found].sort((a, b) => b.degree - a.degree || (a.title < b.title ? -1 : 1));
      list.replaceChildren(...ordered.slice(0, LISTED).map((node) => {
        const link = element("a", { href: address(node.path, isFlat), textContent: node.title });
        const point = (to) => () => { drawing.state.hover = to; drawing.touch(); };
        link.addEventListener("focus", point(node));
        link.addEventListener("blur", point(null));
        link.addEventListener("mouseenter", point(node));
        link.addEventListener("mouseleave", point(null));
        return element("li", {}, link, element("span", { textContent: `${node.in} in, ${node.out} out` }));
      }));
      count.textContent = `${found.length} ${found.length === 1 ? "page" : "pages"}${found.length > LISTED ? `, the first ${LISTED} listed` : ""}`;
      drawing.touch();
    };
    search.addEventListener("input", update);
    tag.addEventListener("change", () => { update(); drawing.fit(); });
    update();
  }

  const show = async (box) => {
    try {
      const [all] = await Promise.all([data(), renderer()]);
      if (!box.isConnected) return;
      // The simulation writes into what it draws: each drawing gets its own nodes.
      const copies = new Map(all.nodes.map((node) => [node, { ...node, near: new Set() }]));
      const edges = all.edges.map(([a, b]) => [copies.get(a), copies.get(b)]);
      edges.forEach(([a, b]) => { a.near.add(b); b.near.add(a); });
      const own = { nodes: [...copies.values()], edges, kinds: all.kinds };
      box.replaceChildren();
      box.dataset.graph === "local" ? local(box, own) : whole(box, own);
      box.dataset.ready = "";
    } catch (error) {
      box.textContent = "The graph cannot be drawn here.";
      console.warn("graph:", error);
    }
  };
  const start = () => {
    [...drawings].filter((drawing) => !drawing.box.isConnected).forEach((drawing) => drawing.end());
    const boxes = document.querySelectorAll(".graph:not([data-seen])");
    const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting)
      .forEach((entry) => { seen.unobserve(entry.target); show(entry.target); }), { rootMargin: "300px" });
    boxes.forEach((box) => { box.dataset.seen = ""; seen.observe(box); });
  };
  new MutationObserver(() => drawings.forEach((drawing) => drawing.recolour()))
    .observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
  globalThis.blumeopsPages = () => data().then((all) => all.nodes);
  globalThis.document$ ? document$.subscribe(start) : start();
})();
