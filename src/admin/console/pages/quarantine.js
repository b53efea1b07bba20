//! Quarantine.

import { html } from "../vendor/preact.js";
import { t } from "../words.js";

export function Quarantine() {
  return html`<h1>${t("app.quarantine")}</h1>`;
}
