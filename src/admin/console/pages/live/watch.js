//! What comes live, for the whole console: the wall, and the sound of an alarm, whatever page is open.
//!
//! Promises: who only listens notices no connection that died silently; with the gateway's return a new one is made. Draws a few times a
//! second at most, however fast events come.

import { useEffect, useRef, useState } from "../../vendor/preact.js";
import { gatewayTime, get, query, stream } from "../../api.js";
import { keep, kept } from "../../words.js";
import { Sound } from "./sound.js";
import { CARDS_MAX, PLACES_MAX, Wall } from "./wall.js";

/// Between two drawings.
const DRAW_MS = 200;
const ACKNOWLEDGED = "boxbridge.acknowledged";
const FILTER = "boxbridge.live-filter";

export class Watch {
  constructor() {
    this.listeners = new Set();
    this.sound = new Sound(() => this.changed());
    this.close = null;
    this.forget();
  }

  /// Takes every face down, as one does who is logged out.
  forget() {
    this.stop();
    this.wall = new Wall(parsed(ACKNOWLEDGED, []), parsed(FILTER, {}));
    this.state = "asking";
    this.error = null;
    this.changed();
  }

  start() {
    this.stop();
    const said = (state, error = null) => {
      Object.assign(this, { state, error });
      // What came while nobody listened, or hangs there by a filter of an earlier visit.
      if (state === "open" && !this.wall.isPaused) this.refill();
      if (state === "open") this.findPlaces();
      this.changed();
    };
    this.close = stream("/api/events/live", (event) => this.take(event), said);
  }

  get isListening() {
    return this.close !== null;
  }

  stop() {
    this.close?.();
    this.close = null;
  }

  take(event) {
    const isNews = this.wall.take(event);
    if (isNews && Date.parse(event.act_before) >= gatewayTime()) this.sound.ring();
    this.changed();
  }

  acknowledge(cards) {
    for (const card of cards) this.wall.acknowledge(card);
    keep(ACKNOWLEDGED, JSON.stringify([...this.wall.acknowledged]));
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
