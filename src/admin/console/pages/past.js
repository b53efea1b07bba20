//! Who passed before: events of the replay window, page by page, by person type, device and time; and one event by its id.
//!
//! Promises: reaches as far back as the gateway keeps events. Deliberately no search for a name: it is in no index.

import { html, useState } from "../vendor/preact.js";
import { get, query } from "../api.js";
import { Empty, PERSON_TYPES, Problem, useEvery } from "../parts.js";
import { language, t, words } from "../words.js";
import { Filter } from "./kept/filter.js";
import { Pages } from "./kept/list.js";
import { Face } from "./live/face.js";
import { card } from "./live/wall.js";

/// What is past changes little.
const LOOK_EVERY_MS = 60_000;
const PAGE = 60;

export function Past({ given }) {
  const [filter, setFilter] = useState(given);
  const [places, setPlaces] = useState([undefined]);
  const path = query("/api/events", { ...filter, limit: PAGE, before: places.at(-1) });
  const { value: found, error } = useEvery(LOOK_EVERY_MS, () => get(path), [path]);
  const narrow = (next) => {
    setFilter(next);
    setPlaces([undefined]);
  };

  return html`<section>
    <p><a href="#/live">${t("event.back")}</a></p>
    <h1>${t("app.past")}</h1>
    <${Find} />
    <${Filter} fields=${fields(given)} onApply=${narrow} />
    <${Problem} error=${error} />
    ${found && html`<${Faces} found=${found} />`}
    <${Pages} number=${places.length} next=${found?.next} onBack=${() => setPlaces(places.slice(0, -1))} onNext=${() => setPlaces([...places, found.next])} />
  </section>`;
}

/// An event by the id that a consumer has.
function Find() {
  const find = (event) => {
    event.preventDefault();
    const id = new FormData(event.currentTarget).get("id").trim();
    if (id) location.hash = `#/event/${encodeURIComponent(id)}`;
  };
  return html`<form class="bar" role="search" onSubmit=${find}>
    <label class="field wide">${t("past.id")}<input name="id" maxlength="64" spellcheck="false" autocomplete="off" /></label>
    <button type="submit">${t("past.find")}</button>
  </form>`;
}

function fields(given) {
  const types = PERSON_TYPES.map((type) => [type, t(`type.${type}`)]);
  return [
    { name: "person_type", title: t("past.person"), kind: "choice", options: types, value: given.person_type },
    { name: "device", title: t("past.device"), kind: "text", value: given.device },
    { name: "from", title: t("past.from"), kind: "time" },
    { name: "to", title: t("past.to"), kind: "time" },
  ];
}

function Faces({ found }) {
  const cards = found.events.map(card);
  if (!cards.length) return html`<${Empty}>${t(found.next ? "kept.none_here" : "kept.none")}<//>`;
  return html`<section class="wall" aria-label=${t("app.past")}>
    ${cards.map((each) => html`<${Face} key=${`${each.id} ${each.revision}`} card=${each} spoken=${language()} />`)}
  </section>`;
}

words({
  en: {
    "past.id": "Event id", "past.find": "Open", "past.person": "Person", "past.device": "Device",
    "past.from": "Received from", "past.to": "Before",
  },
  zh: {
    "past.id": "事件编号", "past.find": "打开", "past.person": "人员", "past.device": "设备",
    "past.from": "接收自", "past.to": "之前",
  },
});
