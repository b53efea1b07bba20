//! Health.

import { html } from "../vendor/preact.js";
import { t } from "../words.js";

export function Health() {
  return html`<h1>${t("app.health")}</h1>`;
}
