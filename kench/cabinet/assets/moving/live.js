// Follows the numbers of now: each event has the texts of all elements with `data-live`.

/** Follow `place.dataset.liveFrom`; `onPoint` is given the newest time and hashrate. */
export function follow(place, onPoint) {
  const state = place.querySelector("#live-state");
  const elements = [...place.querySelectorAll("[data-live]")];
  const source = new EventSource(place.dataset.liveFrom);

  source.addEventListener("message", (event) => {
    const { texts, point } = JSON.parse(event.data);
    for (const element of elements) {
      const text = texts[element.dataset.live];
      if (text !== undefined && element.textContent !== text) {
        element.textContent = text;
      }
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
