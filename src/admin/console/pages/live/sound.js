//! The sound of an alarm: two tones, three times, made by the browser itself.
//!
//! Deliberately no file. A browser makes no sound before somebody has touched the page: where it was switched on on an earlier visit, that is said.

import { keep, kept } from "../../words.js";

const CHOSEN = "boxbridge.sound";
/// An alarm that rings on is turned off by people.
const TIMES = 3;
const TONES_HZ = [880, 660];
const TONE_SECONDS = 0.18;
/// Of a burst of alarms only the first is heard, or none could be told apart.
const SILENT_MS = 2_000;

export class Sound {
  /// `changed` is called when the browser begins to allow it.
  constructor(changed) {
    this.changed = changed;
    this.isOn = kept(CHOSEN) === "on";
    this.rang = 0;
    this.context = null;
    if (this.isOn) this.wake();
    // Any touch of the page is leave enough.
    for (const touch of ["pointerdown", "keydown"]) window.addEventListener(touch, () => this.isOn && this.wake());
  }

  /// Switched on, and yet kept silent by the browser.
  get isSilenced() {
    return this.isOn && this.context?.state !== "running";
  }

  turn(isOn) {
    this.isOn = isOn;
    keep(CHOSEN, isOn ? "on" : "off");
    if (isOn) this.wake();
    this.ring();
    this.changed();
  }

  wake() {
    if (!navigator.userActivation.hasBeenActive) return;
    if (!this.context) {
      this.context = new AudioContext();
      this.context.onstatechange = () => this.changed();
    }
    if (this.context.state === "suspended") this.context.resume().catch(() => {});
  }

  ring() {
    if (!this.isOn || Date.now() - this.rang < SILENT_MS) return;
    this.wake();
    if (!this.context) return;
    this.rang = Date.now();
    const start = this.context.currentTime;
    for (let beat = 0; beat < TIMES * TONES_HZ.length; beat += 1) {
      this.tone(TONES_HZ[beat % TONES_HZ.length], start + beat * TONE_SECONDS);
    }
  }

  tone(frequency, at) {
    const oscillator = this.context.createOscillator();
    const loudness = this.context.createGain();
    oscillator.frequency.value = frequency;
    // Without edges, which would crack.
    loudness.gain.setValueAtTime(0, at);
    loudness.gain.linearRampToValueAtTime(0.4, at + 0.02);
    loudness.gain.linearRampToValueAtTime(0, at + TONE_SECONDS);
    oscillator.connect(loudness).connect(this.context.destination);
    oscillator.start(at);
    oscillator.stop(at + TONE_SECONDS);
  }
}
