//! What hangs on the wall: the newest events, and the alarms that nobody has acknowledged.
//!
//! Promises: bounded, however many events come: a card holds the few words that it shows, and old cards go. An event that comes again
//! (a stream that broke, a newer revision) takes its own place. Deliberately draws nothing, and keeps no document.

import { cut } from "../../parts.js";

/// More than a wall of screens shows.
export const CARDS_MAX = 200;
/// Alarms held on top; of more, the newest, and how many others.
const HELD_MAX = 24;
/// Acknowledged ones that a browser remembers, for its next visit.
const ACKNOWLEDGED_MAX = 500;
/// Devices and sites to choose from.
export const PLACES_MAX = 1_000;
/// How much of a name is kept.
const NAME_MAX = 200;

/// The few words of an event that a card shows.
export function card(event) {
  const { identity = {}, match = {}, device = {}, origin = {}, pictures = {} } = event;
  const text = (value) => cut(String(value ?? ""), NAME_MAX);
  const picture = (kind) => pictures[kind] && { key: String(pictures[kind].key), state: String(pictures[kind].state) };
  return {
    id: String(event.id),
    revision: String(event.revision),
    type: String(event.person_type),
    name: text(identity.name),
    identity: text(identity.id),
    group: text(match.group),
    score: typeof match.score === "number" ? match.score : null,
    device: text(device.id),
    door: text(device.name),
    site: text(origin.site),
    at: event.received_at,
    occurred: event.occurred_at,
    actBefore: event.act_before,
    isLate: isLate(event),
    face: picture("face") ?? picture("scene") ?? picture("infrared"),
    registered: picture("registered"),
  };
}

/// The consumer's rule: nothing that has no `act_before` is to be acted on.
function isLate(event) {
  return !event.act_before || Boolean(event.replay) || event.feed === "history";
}

export class Wall {
  /// `acknowledged`: the alarms that this browser remembers. `filter`: what it showed last.
  constructor(acknowledged, filter) {
    this.cards = new Map();
    this.held = new Map();
    this.acknowledged = new Set(acknowledged);
    this.devices = new Set();
    this.sites = new Set();
    this.filter = { types: [], device: "", site: "", ...filter };
    this.isPaused = false;
    this.missed = 0;
    this.letGo = 0;
  }

  /// Takes an event in. Whether it is an alarm that nobody has seen here.
  take(event) {
    const taken = card(event);
    this.notePlace(taken.device, taken.site);
    const isNews = this.hold(taken);
    if (this.isShown(taken)) {
      if (this.isPaused) this.missed += this.cards.has(taken.id) ? 0 : 1;
      else this.hang(taken);
    }
    return isNews;
  }

  /// An alarm goes on top whatever is filtered or paused, until somebody acknowledges it.
  hold(taken) {
    if (taken.type !== "blacklist" || taken.isLate || this.acknowledged.has(name(taken))) return false;
    const isNews = !this.held.has(name(taken));
    this.held.set(name(taken), taken);
    if (this.held.size > HELD_MAX) {
      this.held.delete(this.held.keys().next().value);
      this.letGo += 1;
    }
    return isNews;
  }

  hang(taken) {
    this.cards.delete(taken.id);
    this.cards.set(taken.id, taken);
    if (this.cards.size > CARDS_MAX) this.cards.delete(this.cards.keys().next().value);
  }

  get isFiltered() {
    return Boolean(this.filter.types.length || this.filter.device || this.filter.site);
  }

  isShown({ type, device, site }) {
    const { filter } = this;
    return (!filter.types.length || filter.types.includes(type)) && (!filter.device || filter.device === device) && (!filter.site || filter.site === site);
  }

  acknowledge(taken) {
    this.held.delete(name(taken));
    if (!this.held.size) this.letGo = 0;
    this.acknowledged.add(name(taken));
    if (this.acknowledged.size > ACKNOWLEDGED_MAX) this.acknowledged.delete(this.acknowledged.values().next().value);
  }

  /// Takes down what the filter does not mean.
  prune() {
    for (const [id, taken] of this.cards) if (!this.isShown(taken)) this.cards.delete(id);
    this.missed = 0;
  }

  /// Hangs these among the others, in the order in which they were received.
  fill(events) {
    const all = new Map(events.map(card).map((taken) => [taken.id, taken]));
    for (const [id, taken] of this.cards) all.set(id, taken);
    const inOrder = [...all.values()].sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
    this.cards.clear();
    for (const taken of inOrder) if (this.isShown(taken)) this.hang(taken);
  }

  /// Newest first, without those that are held on top.
  shown() {
    return [...this.cards.values()].filter((card) => !this.held.has(name(card))).reverse();
  }

  /// Newest first.
  alarms() {
    return [...this.held.values()].reverse();
  }

  notePlace(device, site) {
    for (const [places, name] of [[this.devices, device], [this.sites, site]]) {
      if (name && places.size < PLACES_MAX) places.add(cut(String(name), NAME_MAX));
    }
  }
}

/// A match that comes again with another revision is news.
function name({ id, revision }) {
  return `${id} ${revision}`;
}
