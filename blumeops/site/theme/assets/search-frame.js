// Runs the search's worker in a frame, for pages that are opened as files: a browser starts no worker there.
// The page that makes the frame is anywhere.js; the frame's name is the worker's address.
(() => {
  const load = (url) => new Promise((done) => {
    const tag = document.createElement("script");
    tag.src = url;
    tag.onload = done;
    document.head.append(tag);
  });
  const say = (data) => parent.postMessage(data, "*"); // files have no origin to name
  globalThis.postMessage = say;
  globalThis.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => load(url)), Promise.resolve());
  document.currentScript.remove(); // the worker finds its languages beside the first script
  load(globalThis.name).then(() => say("ready"));
})();
