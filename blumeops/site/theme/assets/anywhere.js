// Material exchanges pages without loading them, and shows previews, for addresses in sitemap.xml only, and those
// name the host of `site_url`. Here they get the place that the site is opened from: any host, port and path.
(() => {
  const site = new URL("..", document.currentScript.src);
  const parse = DOMParser.prototype.parseFromString;
  DOMParser.prototype.parseFromString = function (text, type) {
    const read = parse.call(this, text, type);
    if (read.documentElement?.localName !== "urlset") return read;
    const all = [...read.getElementsByTagName("loc")];
    const home = all.map((each) => each.textContent).sort((a, b) => a.length - b.length)[0] ?? "";
    const from = home.slice(0, home.lastIndexOf("/") + 1);
    for (const each of all) each.textContent = new URL(each.textContent.slice(from.length), site).href;
    return read;
  };
})();
