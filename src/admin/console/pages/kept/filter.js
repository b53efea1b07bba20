//! A filter as a form: a field for each member, applied together.
//!
//! Promises: a time is the reader's own, and goes out in UTC; an empty field means all. Deliberately checks nothing: the gateway says what
//! is wrong.

import { html } from "../../vendor/preact.js";
import { t, words } from "../../words.js";

const INPUTS = {
  text: { type: "text", spellcheck: false, autocomplete: "off", maxlength: 256 },
  time: { type: "datetime-local", step: 1 },
  number: { type: "number", min: 1, max: 1_000_000, inputmode: "numeric" },
};

export function Filter({ fields, onApply }) {
  const apply = (event) => {
    event.preventDefault();
    onApply(filled(event.currentTarget, fields));
  };
  const clear = (event) => {
    for (const { name } of fields) event.currentTarget.form.elements[name].value = "";
    onApply({});
  };

  return html`<form class="bar" onSubmit=${apply}>
    ${fields.map((field) => html`<${Field} key=${field.name} field=${field} />`)}
    <button type="submit">${t("filter.apply")}</button>
    <button type="button" class="quiet" onClick=${clear}>${t("filter.clear")}</button>
  </form>`;
}

/// `name`, `title`, `kind` text, time, number or choice, and the `options` of a choice as `[value, text]`.
export function Field({ field }) {
  const { name, title, kind, options, value } = field;
  return html`<label class="field">
    ${title}
    ${kind === "choice"
      ? html`<select name=${name}>
          <option value="">${t("filter.all")}</option>
          ${options.map(([word, text]) => html`<option key=${word} value=${word} selected=${word === value}>${text}</option>`)}
        </select>`
      : html`<input name=${name} defaultValue=${value} required=${field.required} ...${INPUTS[kind]} />`}
  </label>`;
}

/// What was filled in.
export function filled(form, fields) {
  const data = new FormData(form);
  const members = fields.map(({ name, kind }) => [name, said(data.get(name).trim(), kind)]);
  return Object.fromEntries(members.filter(([, value]) => value !== null));
}

function said(text, kind) {
  if (text === "") return null;
  if (kind === "number") return Number(text);
  return kind === "time" ? new Date(text).toISOString() : text;
}

words({
  en: { "filter.apply": "Show", "filter.clear": "Clear", "filter.all": "all" },
  zh: { "filter.apply": "筛选", "filter.clear": "清除", "filter.all": "全部" },
});
