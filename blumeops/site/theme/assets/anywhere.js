// Material exchanges pages without loading them, and shows previews, for addresses in sitemap.xml only, and those
// name the host of `site_url`. Here they get the place that the site is opened from: any host, port and path.
(() => {
  const site = new URL("..", document.currentScript.src);
  // Each `link[rel=alternate]` it takes for the site in another language, and asks for a sitemap beside it.
  const notALanguage = (page) => {
    for (const twin of page.querySelectorAll("link[rel=alternate][type='text/markdown']")) twin.rel += " nofollow";
  };
  notALanguage(document);
  const parse = DOMParser.prototype.parseFromString;
  DOMParser.prototype.parseFromString = function (text, type) {
    const read = parse.call(this, text, type);
    notALanguage(read);
    if (read.documentElement?.localName !== "urlset") return read;
    const all = [...read.getElementsByTagName("loc")];
    const home = all.map((each) => each.textContent).sort((a, b) => a.length - b.length)[0] ?? "";
    const from = home.slice(0, home.lastIndexOf("/") + 1);
    for (const each of all) each.textContent = new URL(each.textContent.slice(from.length), site).href;
    return read;
  };

  if (location.protocol !== "file:") return;
  // There is nothing to exchange pages with, and Material then takes its other parts for ended as well.
  const watcher = new MutationObserver(() => {
    const config = document.getElementById("__config");
    if (!config?.textContent.endsWith("}")) return;
    watcher.disconnect();
    const values = JSON.parse(config.textContent);
    values.features = values.features.filter((name) => !name.startsWith("navigation.instant"));
    config.textContent = JSON.stringify(values);
  });
  watcher.observe(document.documentElement, { childList: true, subtree: true });

  // The same messages as a worker's, to and from a frame (search-frame.js).
  globalThis.IFrameWorker = globalThis.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "Search";
      frame.name = new URL(url, location.href).href;
      document.body.append(frame);
      this.ready = new Promise((done) => addEventListener("message", (event) => {
        if (event.source !== frame.contentWindow) return;
        if (event.data === "ready") return done(frame.contentWindow);
        const said = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(said);
        this.onmessage?.(said);
      }));
      const script = frame.contentDocument.createElement("script");
      script.src = new URL("assets/search-frame.js", site).href;
      frame.contentDocument.head.append(script);
    }

    postMessage(data) {
      // Its own postMessage speaks to this page, as a worker's does.
      this.ready.then((frame) => frame.dispatchEvent(new frame.MessageEvent("message", { data })));
    }
  };
})();
