//! Asks for the alarms that no stream brought: those of before a reload, of a break, of a console that has just been opened.
//!
//! Promises: goes back, page by page, until neither what may still be acted on nor what this browser has not seen is left; says where its
//! bound ended that. Deliberately holds nothing itself.

import { gatewayTime, get, query } from "../../api.js";
import { HELD_TYPES } from "./alarms.js";
import { card } from "./wall.js";

const PAGE = 100;
const PAGES_MAX = 30;

/// Hands every event that may be an alarm to `take`. The moment before which nobody looked, where there were too many.
export async function lookBack(alarms, take) {
  const ends = [];
  for (const type of HELD_TYPES) ends.push(await pagesOf(type, alarms, take));
  const cut = ends.filter((end) => end !== null);
  return cut.length ? Math.max(...cut) : null;
}

async function pagesOf(type, alarms, take) {
  let before;
  let oldest = gatewayTime();
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const { events, next } = await get(query("/api/events", { person_type: type, before, limit: PAGE }));
    const cards = events.map(card);
    events.forEach(take);
    if (!next || isBehindAll(cards, alarms)) return null;

    before = next;
    oldest = cards.at(-1)?.received ?? oldest;
  }
  return oldest;
}

/// Whether what is older still is no alarm either. What history told says nothing of that.
function isBehindAll(cards, alarms) {
  const live = cards.filter((each) => !each.isLate);
  return live.length > 0 && !live.some((each) => alarms.isMeant(each, gatewayTime()));
}
