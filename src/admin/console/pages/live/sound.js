//! The sound of an alarm: two tones, three times, made by the browser itself.
//!
//! Deliberately no file. A browser makes no sound before somebody has touched the page: switching it on is such a touch.

/// An alarm that rings on is turned off by people.
const TIMES = 3;
const TONES_HZ = [880, 660];
const TONE_SECONDS = 0.18;
/// Of a burst of alarms only the first is heard, or none could be told apart.
const SILENT_MS = 2_000;

export class Sound {
  isOn = false;
  rang = 0;
  context = null;

  ring() {
    if (!this.isOn || Date.now() - this.rang < SILENT_MS) return;
    this.rang = Date.now();
    this.context ??= new AudioContext();
    this.context.resume();
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
