//! What was refused within the hour: a note where nothing else is wrong any more, with the way to it.

import { html } from "../../vendor/preact.js";
import { number } from "../../parts.js";
import { t, words } from "../../words.js";

export function Lately({ lately }) {
  const said = (count, key, path) => count > 0 && html`<a key=${key} href=${path}>${t(`lately.${key}`, { n: number(count) })}</a>`;
  const notes = [said(lately?.set_aside, "set_aside", "#/aside"), said(lately?.refused, "refused", "#/quarantine")].filter(Boolean);
  if (!notes.length) return null;
  return html`<p class="lately-refused" role="status">${t("lately.within")} ${notes.map((note, place) => [place > 0 && " · ", note])}</p>`;
}

words({
  en: {
    "lately.within": "Within the last hour:", "lately.set_aside": "events set aside: {n}", "lately.refused": "bodies refused: {n}",
  },
  zh: {
    "lately.within": "最近一小时：", "lately.set_aside": "搁置的事件：{n}", "lately.refused": "拒绝的请求体：{n}",
  },
});
