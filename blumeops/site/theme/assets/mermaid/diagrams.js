// Draws ```mermaid fences. Mermaid (2.5 MB) is loaded only when a diagram comes near the screen.
(() => {
  const here = new URL(".", document.currentScript.src);
  let loading;
  let count = 0;
  const load = () => (loading ??= new Promise((done, failed) => {
    const tag = document.createElement("script");
    tag.src = new URL("mermaid.tiny.js", here).href;
    tag.onload = () => done(globalThis.mermaid);
    tag.onerror = () => failed(new Error("mermaid.tiny.js"));
    document.head.append(tag);
  }));

  const look = () => {
    const style = getComputedStyle(document.body);
    const value = (name) => style.getPropertyValue(name).trim();
    return {
      startOnLoad: false,
      securityLevel: "strict",
      theme: "base",
      fontFamily: `${value("--md-text-font")}, sans-serif`,
      themeVariables: {
        darkMode: document.body.dataset.mdColorScheme === "slate",
        background: value("--bo-paper"),
        primaryColor: value("--bo-card"),
        primaryTextColor: value("--bo-ink"),
        primaryBorderColor: value("--bo-bloom"),
        secondaryColor: value("--bo-sunken"),
        tertiaryColor: value("--bo-sunken"),
        lineColor: value("--bo-soft"),
        textColor: value("--bo-ink"),
        noteBkgColor: value("--bo-sunken"),
        noteTextColor: value("--bo-ink"),
        noteBorderColor: value("--bo-line"),
        edgeLabelBackground: value("--bo-paper"),
        clusterBkg: value("--bo-sunken"),
        clusterBorder: value("--bo-line"),
        actorLineColor: value("--bo-soft"),
        fontSize: "15px",
      },
    };
  };

  const draw = async (box) => {
    const source = box.dataset.source;
    try {
      const mermaid = await load();
      mermaid.initialize(look());
      const { svg } = await mermaid.render(`diagram-${count++}`, source);
      box.innerHTML = svg;
      box.firstElementChild.style.backgroundColor = "transparent";
    } catch (error) {
      const code = document.createElement("pre");
      code.textContent = source;
      const said = document.createElement("p");
      said.textContent = `This diagram cannot be drawn: ${String(error.message ?? error).split("\n")[0]}`;
      box.replaceChildren(said, code);
      document.getElementById(`ddiagram-${count - 1}`)?.remove();
    }
  };

  // One after the other: mermaid measures text in the page, and its settings are global.
  let queue = Promise.resolve();
  const start = () => {
    const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting)
      .forEach((entry) => {
        seen.unobserve(entry.target);
        entry.target.dataset.drawn = "";
        queue = queue.then(() => draw(entry.target));
      }), { rootMargin: "400px" });
    document.querySelectorAll("pre.diagram").forEach((code) => {
      const box = document.createElement("div");
      box.className = "diagram";
      box.dataset.source = code.textContent;
      box.append(...code.childNodes);
      code.replaceWith(box);
      seen.observe(box);
    });
  };
  new MutationObserver(() => document.querySelectorAll("div.diagram[data-drawn]")
    .forEach((box) => (queue = queue.then(() => draw(box)))))
    .observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
  globalThis.document$ ? document$.subscribe(start) : start();
})();
