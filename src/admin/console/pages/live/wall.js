//! What hangs on the wall: the newest events.
//!
//! Promises: bounded, however many events come: a card holds the few words that it shows, and old cards go. An event that comes again
//! (a stream that broke, a newer revision) takes its own place. Deliberately draws nothing, and keeps no document.

import { cut } from "../../parts.js";

/// More than a wall of screens shows.
export const CARDS_MAX = 200;
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
    received: Date.parse(event.received_at),
    // What comes later says when somebody stood there.
    at: isLate(event) ? event.occurred_at : event.received_at,
    actBefore: event.act_before ? Date.parse(event.act_before) : null,
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
  /// `filter`: what this browser showed last.
  constructor(filter) {
    this.cards = new Map();
    this.devices = new Set();
    this.sites = new Set();
    this.filter = { types: [], device: "", site: "", ...filter };
    this.isPaused = false;
    this.missed = 0;
  }

  take(taken) {
    this.notePlace(taken.device, taken.site);
    if (!this.isShown(taken)) return;
    if (this.isPaused) this.missed += this.cards.has(taken.id) ? 0 : 1;
    else this.hang(taken);
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

  /// Takes down what the filter does not mean.
  prune() {
    for (const [id, taken] of this.cards) if (!this.isShown(taken)) this.cards.delete(id);
    this.missed = 0;
  }

  /// Hangs these among the others, in the order in which they were received.
  fill(events) {
    const all = new Map(events.map(card).map((taken) => [taken.id, taken]));
    for (const [id, taken] of this.cards) all.set(id, taken);
    const inOrder = [...all.values()].sort((one, other) => one.received - other.received);
    this.cards.clear();
    for (const taken of inOrder) if (this.isShown(taken)) this.hang(taken);
  }

  /// Newest first.
  shown() {
    return [...this.cards.values()].reverse();
  }

  notePlace(device, site) {
    for (const [places, name] of [[this.devices, device], [this.sites, site]]) {
      if (name && places.size < PLACES_MAX) places.add(cut(String(name), NAME_MAX));
    }
  }
}

/// A match that comes again with another revision is news.
export function name({ id, revision }) {
  return `${id} ${revision}`;
}
