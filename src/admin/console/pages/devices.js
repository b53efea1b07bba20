//! Devices.

import { html } from "../vendor/preact.js";
import { t } from "../words.js";

export function Devices() {
  return html`<h1>${t("app.devices")}</h1>`;
}
