//! What comes live, for the whole console: the wall, and the sound of an alarm, whatever page is open.
//!
//! Promises: who only listens notices no connection that died silently; with the gateway's return a new one is made. Draws a few times a
//! second at most, however fast events come.

import { useEffect, useRef, useState } from "../../vendor/preact.js";
import { gatewayTime, get, query, stream } from "../../api.js";
import { keep, kept } from "../../words.js";
import { Alarms } from "./alarms.js";
import { lookBack } from "./missed.js";
import { Sound } from "./sound.js";
import { CARDS_MAX, PLACES_MAX, Wall, card } from "./wall.js";

/// Between two drawings.
const DRAW_MS = 200;
/// Between two attempts to ask for what was missed.
const AGAIN_MS = 2_000;
/// Between two times at which it is written down how far this browser has seen everything.
const NOTE_MS = 5_000;
const ACKNOWLEDGED = "boxbridge.acknowledged";
const SINCE = "boxbridge.seen-since";
const FILTER = "boxbridge.live-filter";

export class Watch {
  constructor() {
    this.listeners = new Set();
    this.sound = new Sound(() => this.changed());
    this.close = null;
    this.forget();
    window.addEventListener("storage", ({ key }) => key === ACKNOWLEDGED && this.adopt());
  }

  /// Takes every face down, as one does who is logged out.
  forget() {
    this.stop();
    this.wall = new Wall(parsed(FILTER, {}));
    this.alarms = new Alarms(parsed(ACKNOWLEDGED, []), parsed(SINCE, null));
    this.state = "asking";
    this.error = null;
    this.changed();
  }

  start() {
    this.stop();
    this.alarms.begin(gatewayTime());
    const said = (state, error = null) => {
      Object.assign(this, { state, error });
      if (state === "open") this.opened();
      this.changed();
    };
    this.close = stream("/api/events/live", (event) => this.take(event), said);
  }

  /// What came while nobody listened, or hangs there by a filter of an earlier visit.
  opened() {
    this.catchUp();
    if (!this.wall.isPaused) this.refill();
    this.findPlaces();
  }

  get isListening() {
    return this.close !== null;
  }

  stop() {
    this.close?.();
    this.close = null;
    this.looking = null;
    // What comes from now on is not heard.
    this.isBehind = true;
  }

  take(event) {
    const taken = card(event);
    this.wall.take(taken);
    this.hold(taken);
    this.note();
    this.changed();
  }

  /// Rings where it is news that one may still act on.
  hold(taken) {
    const now = gatewayTime();
    const isNews = this.alarms.take(taken, now);
    if (isNews && taken.actBefore >= now) this.sound.ring();
  }

  /// Asks for the alarms that came while nobody listened, until they are here.
  async catchUp() {
    const mine = (this.looking = {});
    const isOver = () => mine !== this.looking;
    const take = (event) => isOver() || this.hold(card(event));
    this.isBehind = true;

    while (!isOver()) {
      try {
        const cut = await lookBack(this.alarms, take);
        if (isOver()) return;
        if (cut !== null) this.alarms.cut(cut);
        Object.assign(this, { isBehind: false, missing: null });
        break;
      } catch (error) {
        if (isOver()) return;
        this.missing = error;
        this.changed();
        await new Promise((again) => setTimeout(again, AGAIN_MS));
      }
    }
    this.note();
    this.changed();
  }

  /// Writes down, now and then, how far this browser has seen everything.
  note() {
    if (this.isBehind) return;
    this.alarms.advance();
    if (Math.abs(Date.now() - (this.noted ?? 0)) < NOTE_MS) return;
    this.noted = Date.now();
    keep(SINCE, JSON.stringify(this.alarms.since));
  }

  acknowledge(cards) {
    this.alarms.acknowledge(cards);
    this.keepAcknowledged();
    // Of too many the next ones.
    if (this.alarms.size === 0 && this.alarms.cutBefore !== null) {
      this.alarms.cutBefore = null;
      this.catchUp();
    }
  }

  takeBack() {
    this.alarms.takeBack();
    this.keepAcknowledged();
  }

  keepAcknowledged() {
    keep(ACKNOWLEDGED, JSON.stringify([...this.alarms.acknowledged]));
    this.changed();
  }

  /// Somebody acknowledged in another window.
  adopt() {
    this.alarms.adopt(parsed(ACKNOWLEDGED, []));
    this.changed();
  }

  filterBy(change) {
    Object.assign(this.wall.filter, change);
    keep(FILTER, JSON.stringify(this.wall.filter));
    return this.refill();
  }

  pauseOrGoOn() {
    this.wall.isPaused = !this.wall.isPaused;
    this.changed();
    return this.wall.isPaused ? undefined : this.refill();
  }

  /// Hangs the newest of what the filter means, out of the replay window.
  async refill() {
    const { wall } = this;
    wall.prune();
    this.changed();
    const { types, device } = wall.filter;
    const wanted = types.length ? types : [undefined];
    const limit = Math.ceil(CARDS_MAX / wanted.length);
    const pages = wanted.map((person_type) => get(query("/api/events", { person_type, device, limit })));
    try {
      const found = await Promise.all(pages);
      wall.fill(found.flatMap(({ events }) => events));
    } catch (error) {
      // A newer state says more.
      if (this.state !== "broken") this.error = error;
    }
    this.changed();
  }

  /// Devices and sites to choose from, also those that are silent just now.
  async findPlaces() {
    const { wall } = this;
    const { devices } = await get(query("/api/devices", { limit: PLACES_MAX })).catch(() => ({ devices: [] }));
    for (const { device, site } of devices) wall.notePlace(device, site);
    this.changed();
  }

  /// Newest first, without those that are held on top.
  faces() {
    return this.wall.shown().filter((each) => !this.alarms.has(each));
  }

  changed() {
    for (const listener of this.listeners) listener();
  }
}

/// Draws the component at once when something is new, and again a few times a second at most.
export function useDrawn(watch) {
  const [, draw] = useState(0);
  const drawn = useRef(0);
  useEffect(() => {
    let timer = null;
    const now = () => {
      timer = null;
      drawn.current = performance.now();
      draw((before) => before + 1);
    };
    const soon = () => {
      timer ??= setTimeout(now, Math.max(0, drawn.current + DRAW_MS - performance.now()));
    };
    watch.listeners.add(soon);
    return () => {
      watch.listeners.delete(soon);
      clearTimeout(timer);
    };
  }, [watch]);
}

function parsed(name, otherwise) {
  try {
    return JSON.parse(kept(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}
