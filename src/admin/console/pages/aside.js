//! Aside.

import { html } from "../vendor/preact.js";
import { t } from "../words.js";

export function Aside() {
  return html`<h1>${t("app.aside")}</h1>`;
}
