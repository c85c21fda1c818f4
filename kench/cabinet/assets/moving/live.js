// Follows the numbers of now: each event has the texts of all elements with `data-live`.

// A browser tries again where the line is cut, and gives up where something is answered that is no
// stream: a proxy's 502 while the cabinet starts. Then we do, after so many seconds.
const AGAIN_S = [2, 5, 10, 20, 30, 60, 60, 60];

/** Follow `place.dataset.liveFrom`; `onPoint` is given the newest time and hashrate. */
export function follow(place, onPoint) {
  const state = place.querySelector("#live-state");
  const elements = [...place.querySelectorAll("[data-live]")];
  let source;
  let failed = 0;

  function hear(event) {
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
  }

  function open() {
    source = new EventSource(place.dataset.liveFrom);
    source.addEventListener("message", hear);
    source.addEventListener("open", () => {
      failed = 0;
      state.textContent = "";
    });
    source.addEventListener("error", () => {
      const refused = source.readyState === EventSource.CLOSED;
      const over = refused && failed === AGAIN_S.length;
      state.textContent = over ? place.dataset.over : place.dataset.lost;
      if (refused && !over) {
        setTimeout(open, AGAIN_S[failed] * 1000);
        failed += 1;
      }
    });
  }

  open();
  // A page that is left keeps no connection, not even in the browser's cache of pages.
  window.addEventListener("pagehide", () => source.close());
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
}
