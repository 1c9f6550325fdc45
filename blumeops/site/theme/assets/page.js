// Small repairs that a style sheet cannot make: names for screen readers, tables that scroll by keyboard, and
// everything unfolded on paper. Runs again when Material exchanges the page without loading it.
(() => {
  const measure = () => {
    for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) {
      const wide = table.scrollWidth > table.clientWidth + 1;
      if (wide) table.setAttribute("tabindex", "0");
      else table.removeAttribute("tabindex");
      table.toggleAttribute("data-wide", wide);
    }
  };
  const repair = () => {
    document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
    document.querySelector(".md-search__scrollwrap")?.setAttribute("tabindex", "0");
    measure();
    for (const link of document.querySelectorAll(".md-typeset a[href]")) {
      link.toggleAttribute("data-elsewhere", /^https?:$/.test(link.protocol) && link.host !== location.host);
    }
    // Opened from a folder there is no server that answers for a folder with its index.
    if (location.protocol === "file:") {
      for (const link of document.querySelectorAll("a[href]")) {
        if (link.protocol === "file:" && link.pathname.endsWith("/")) link.pathname += "index.html";
      }
    }
    // Every page has the main navigation inside of another: one name each, so that they can be told apart.
    for (const part of document.querySelectorAll("nav.md-nav[aria-labelledby]")) {
      const label = document.getElementById(part.getAttribute("aria-labelledby"));
      if (label?.textContent.trim()) part.setAttribute("aria-label", `Pages: ${label.textContent.trim()}`);
      if (label?.textContent.trim()) part.removeAttribute("aria-labelledby");
    }
  };
  if (window.document$) window.document$.subscribe(() => requestAnimationFrame(repair));
  else repair();

  addEventListener("resize", () => requestAnimationFrame(measure));
  document.fonts?.ready.then(measure); // another typeface, another width

  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details:not([open])")];
    unfolded.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => unfolded.forEach((each) => { each.open = false; }));
})();
