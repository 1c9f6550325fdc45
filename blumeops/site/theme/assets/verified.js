// What a page that was built long ago cannot know: how long ago a run was, and whether it is time for the next.
// Without this script the dates are there all the same.
(() => {
  const units = [["year", 31536000], ["month", 5184000], ["day", 86400], ["hour", 3600], ["minute", 60]];
  const say = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const ago = (at) => {
    const seconds = Math.round((at - Date.now()) / 1000);
    const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
    return say.format(Math.trunc(seconds / (unit === "month" ? 2592000 : size)), unit);
  };
  const look = () => {
    for (const each of document.querySelectorAll("time[data-ago]")) {
      const at = Date.parse(each.dateTime);
      if (at) each.dataset.ago = ago(at);
    }
    for (const each of document.querySelectorAll("[data-due]")) {
      const late = Date.parse(each.dataset.due) < Date.now();
      each.classList.toggle("is-overdue", late);
      for (const word of each.querySelectorAll(".overdue")) word.hidden = !late;
    }
  };
  if (window.document$) window.document$.subscribe(look);
  else look();
})();
