//! Alarms: events that are held on top until somebody acknowledges them, however many others come.
//!
//! Promises: one that may still be acted on is held unless it was acknowledged in this browser; one that was missed or is over by now as
//! well, back to the last moment at which this browser had seen everything. Bounded: where there are more, the newest, and it is known
//! from when on. Deliberately asks nobody and draws nothing.

import { name } from "./wall.js";

/// Whom nobody is to miss.
export const HELD_TYPES = ["blacklist"];
/// Held at a time.
const HELD_MAX = 500;
/// As many as a look back finds (`missed.js`): what was acknowledged does not come again.
const ACKNOWLEDGED_MAX = 3_000;
/// A shift: what is over for longer is the next one's to read on the wall, and no alarm.
const SHIFT_MS = 12 * 3_600_000;

export class Alarms {
  /// `acknowledged`: names that this browser remembers. `since`: when it had seen everything, in milliseconds; null on its first visit.
  constructor(acknowledged, since) {
    this.held = new Map();
    this.acknowledged = new Set(acknowledged);
    this.since = since;
    /// The newest that was acknowledged here, to be taken back.
    this.lately = [];
    /// Alarms from before this moment are not held: there are too many.
    this.cutBefore = null;
    this.newest = 0;
  }

  /// Somebody begins to look, at this moment of the gateway.
  begin(now) {
    this.since = Math.min(now, Math.max(this.since ?? now, now - SHIFT_MS));
    this.newest = Math.max(this.newest, this.since);
  }

  /// Whether a card that nobody has acknowledged is to be held.
  isMeant(card, now) {
    return HELD_TYPES.includes(card.type) && !card.isLate && (card.actBefore >= now || card.received >= this.since);
  }

  /// Holds it where it is to be held. Whether it is an alarm that nobody has seen here.
  take(card, now) {
    this.newest = Math.max(this.newest, card.received);
    if (!this.isMeant(card, now) || this.acknowledged.has(name(card))) return false;

    const isNews = !this.held.has(name(card));
    this.held.set(name(card), card);
    if (this.held.size > HELD_MAX) this.letGo();
    return isNews;
  }

  letGo() {
    const oldest = this.shown().at(-1);
    this.held.delete(name(oldest));
    this.cut(oldest.received);
  }

  /// Says that older ones than this are not held.
  cut(received) {
    this.cutBefore = Math.max(this.cutBefore ?? 0, received);
  }

  /// What is earlier has been seen, as long as nothing is missing between.
  advance() {
    const received = [...this.held.values()].map((card) => card.received);
    this.since = Math.min(this.newest, ...received);
  }

  acknowledge(cards) {
    for (const card of cards) {
      this.held.delete(name(card));
      this.acknowledged.add(name(card));
    }
    const [...all] = this.acknowledged;
    this.acknowledged = new Set(all.slice(-ACKNOWLEDGED_MAX));
    this.lately = cards;
  }

  /// The last acknowledgement was a mistake.
  takeBack() {
    for (const card of this.lately) {
      this.acknowledged.delete(name(card));
      this.held.set(name(card), card);
    }
    this.lately = [];
  }

  /// What was acknowledged in another window of this browser.
  adopt(acknowledged) {
    this.acknowledged = new Set(acknowledged);
    for (const each of this.held.keys()) if (this.acknowledged.has(each)) this.held.delete(each);
  }

  has(card) {
    return this.held.has(name(card));
  }

  get size() {
    return this.held.size;
  }

  /// The newest first.
  shown() {
    return [...this.held.values()].sort((one, other) => other.received - one.received);
  }
}
