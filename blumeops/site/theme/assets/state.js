// Keeps an open page true while `make up` works: the front page's state, and a newly built site.
// Served by any other web server there is no state.json: it is not asked for, and the page stays as it is.
(() => {
  const site = new URL("..", document.currentScript.src);
  const local = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
  if (!local) return;
  const ask = async (name) => {
    const answer = await fetch(new URL(name, site), { cache: "no-store" });
    if (!answer.ok) throw new Error(name);
    return answer.json();
  };

  const card = (layer, known) => {
    const box = document.querySelector(`.state-card.layer-${layer}`);
    if (!box) return;
    box.className = `state-card layer-${layer} is-${known.state}`;
    box.querySelector(".state-word").textContent = known.word;
    const say = (name, ...pieces) => {
      const line = box.querySelector(`.${name}`) ?? box.appendChild(document.createElement("p"));
      line.className = name;
      const made = pieces.filter(([, text]) => text).map(([tag, text]) => {
        const piece = document.createElement(tag);
        piece.textContent = text;
        return piece;
      });
      line.replaceChildren(...made);
      line.hidden = !made.length;
    };
    say("state-reason", ["span", known.reason.replaceAll("`", "")]);
    say("state-facts", ["code", known.revision], ["span", known.at]);
  };

  const banner = (text) => {
    const state = document.getElementById("homelab-state");
    if (!state) return;
    let line = state.querySelector(".preparing");
    if (!line && text) {
      line = document.createElement("p");
      line.className = "preparing";
      state.prepend(line);
    }
    if (line && text) line.textContent = text;
    if (line && !text) line.remove();
  };

  let shown = null;
  const look = async () => {
    try {
      if (document.hidden) return;
      const { built } = await ask("built");
      if (shown !== null && built && built !== shown) return location.reload();
      shown = built;
      if (!document.getElementById("homelab-state")) return;
      const state = await ask("state.json");
      Object.entries(state.layers).forEach(([layer, known]) => card(layer, known));
      banner(state.preparing);
    } catch {
      clearInterval(clock); // not our server, or it has ended
    }
  };
  let clock = 0;
  const ours = async () => {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
    return answer.headers.get("server")?.trim() === "blumeops";
  };
  ours().then((yes) => {
    if (!yes) return;
    clock = setInterval(look, 4000);
    look();
    window.document$?.subscribe(() => look()); // a page that Material exchanged is as old as its build
  }, () => {});
})();
