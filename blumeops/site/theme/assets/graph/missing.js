// On the page for what is not there: the pages whose address or title is nearest to what was asked for.
document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("missing-near");
  if (!box || !globalThis.blumeopsPages) return;
  const words = (text) => text.toLowerCase().normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  const pairs = (text) => {
    const found = new Map();
    const padded = ` ${text} `;
    for (let n = 0; n < padded.length - 1; n++) {
      const pair = padded.slice(n, n + 2);
      found.set(pair, (found.get(pair) ?? 0) + 1);
    }
    return found;
  };
  // Dice's coefficient over pairs of letters: forgives a missing letter, a hyphen, a plural.
  const alike = (one, other) => {
    if (!one || !other) return 0;
    const [a, b] = [pairs(one), pairs(other)];
    let shared = 0;
    for (const [pair, count] of a) shared += Math.min(count, b.get(pair) ?? 0);
    return (2 * shared) / (one.length + other.length + 2);
  };
  const asked = decodeURIComponent(location.pathname).replace(/\.(html?|md)$/, "").split("/").filter((part) => part && part !== "index");
  const last = words(asked.at(-1) ?? "");
  const path = words(asked.slice(-2).join(" "));
  const site = new URL(box.dataset.base, location.href);
  const address = (page) => {
    const stem = page.path.replace(/\.md$/, "");
    if (box.dataset.flat === "true") return new URL(`${stem}.html`, site).href;
    const folder = stem.replace(/(^|\/)index$/, "");
    return new URL(folder ? `${folder}/` : "./", site).href;
  };
  globalThis.blumeopsPages().then((pages) => {
    const scored = pages.map((page) => {
      const parts = page.path.replace(/(\/?index)?\.md$/, "").split("/");
      const names = [words(parts.at(-1)), words(page.title)];
      const score = Math.max(...names.map((name) => alike(last, name)), alike(path, words(parts.slice(-2).join(" "))) * 0.98);
      return [score, page];
    });
    const near = scored.filter(([score]) => score > 0.35)
      .sort(([a, one], [b, other]) => b - a || (one.path < other.path ? -1 : 1)).slice(0, 5);
    if (!near.length) return;
    const list = document.createElement("ul");
    for (const [, page] of near) {
      const link = document.createElement("a");
      link.href = address(page);
      link.textContent = page.title;
      const where = document.createElement("span");
      where.textContent = page.path.replace(/\/[^/]*$/, "").replace(/\.md$/, "");
      const item = document.createElement("li");
      item.append(link, " ", where);
      list.append(item);
    }
    box.querySelector("p").hidden = false;
    box.append(list);
  }).catch(() => {});
});
