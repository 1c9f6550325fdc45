// Lets the search find words as they are written in code. Material's search reads `--no-serve` as "without
// no-serve" and `tag:homelab` as "homelab in the field tag"; here the parts of such a word must all be there.
(() => {
  // The same places as in mkdocs.yml, where the index is made.
  const BETWEEN = /[\s\-,:;=!?()[\]{}"'`<>/\\|&*#@+$%]+|\.(?!\d)/;
  // Say nothing among other words; between quotation marks they count.
  const LITTLE = new Set(("a an and are as at be by for from has have how i if in is it its no not of on or that the this to "
    + "was what when where which who why will with you").split(" "));
  const parts = (asked) => asked.replace(/[~^]/g, " ").split(BETWEEN).filter(Boolean);
  const own = /^[+-][\p{L}\p{N}_]+$|[*]$|[~^]\d*$/u; // the search's own signs
  const word = (asked, last) => {
    if (own.test(asked)) return asked;
    const found = parts(asked);
    if (found.length < 2) return found.map((part) => (last ? part : `${part}^1`)).join("");
    return found.map((part, n) => (last && n === found.length - 1 ? `+${part}*` : `+${part}`)).join(" ");
  };
  // Only what is typed last is a beginning: else the `in` of an error would be found in every `indri`.
  const clean = (asked) => {
    const all = asked.match(/"[^"]*"?|\S+/g) ?? [];
    const telling = all.filter((piece, n) => n === all.length - 1 || !LITTLE.has(piece.toLowerCase()));
    const pieces = LITTLE.has(all.at(-1)?.toLowerCase()) && telling.length > 1 ? telling.slice(0, -1) : telling;
    const ended = /\s$/.test(asked);
    return pieces.map((piece, n) => (piece.startsWith('"') ? `"${parts(piece).join(" ")}"`
      : word(piece, n === pieces.length - 1 && !ended))).join(" ");
  };
  const input = document.querySelector("[data-md-component=search-query]");
  const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
  if (input) {
    Object.defineProperty(input, "value", {
      configurable: true,
      get: () => clean(value.get.call(input)),
      set: (asked) => value.set.call(input, asked),
    });
  }
})();
