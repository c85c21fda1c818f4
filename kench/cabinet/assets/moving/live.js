// Follows the numbers of now: each event has the texts of all elements with `data-live`.

/** Follow `place.dataset.liveFrom`; `onPoint` is given the newest time and hashrate. */
export function follow(place, onPoint) {
  const state = place.querySelector("#live-state");
  const elements = [...place.querySelectorAll("[data-live]")];
  const source = new EventSource(place.dataset.liveFrom);

  source.addEventListener("message", (event) => {
    const { texts, tones, point, begun } = JSON.parse(event.data);
    for (const element of elements) {
      const name = element.dataset.live;
      if (texts[name] !== undefined && element.textContent !== texts[name]) {
        element.textContent = texts[name];
      }
      if (tones?.[name] !== undefined) {
        element.className = `tag ${tones[name]}`;
      }
    }
    for (const element of place.querySelectorAll("[data-until-begun]")) {
      element.hidden = begun;
    }
    onPoint(point[0], point[1]);
  });
  source.addEventListener("open", () => {
    state.textContent = "";
  });
  source.addEventListener("error", () => {
    const over = source.readyState === EventSource.CLOSED;
    state.textContent = over ? place.dataset.over : place.dataset.lost;
  });
  // A page that is left keeps no connection, not even in the browser's cache of pages.
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
}
