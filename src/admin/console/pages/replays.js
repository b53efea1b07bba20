//! Replays.

import { html } from "../vendor/preact.js";
import { t } from "../words.js";

export function Replays() {
  return html`<h1>${t("app.replays")}</h1>`;
}
