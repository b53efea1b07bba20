//! What is kept for an operator: a filter, a list page by page, one of them to look at, and orders on all that the filter means.
//!
//! Promises: an order is on exactly what the filter above the list says. Deliberately knows neither events nor bodies: their pages say what
//! they are.

import { html, useEffect, useRef, useState } from "../../vendor/preact.js";
import { get, query } from "../../api.js";
import { Empty, Problem, Table, bytes, number, useEvery } from "../../parts.js";
import { t, words } from "../../words.js";
import { Jobs, Orders } from "../orders.js";
import { Filter } from "./filter.js";

const LOOK_EVERY_MS = 5_000;
const PAGE = 50;

/// A kind of kept things: its `path`, `list` the member with the entries, `job`, `fields` of its filter, `columns`, `orders(filter)`, `Look`,
/// and `one` the title of a single one.
/// `given` by the address: members of the filter, and the `id` of one to look at.
export function Kept({ kind, status, given: { id = null, ...members } }) {
  const [filter, setFilter] = useState(members);
  const [places, setPlaces] = useState([undefined]);
  const [chosen, setChosen] = useState(id);

  const path = query(kind.path, { ...filter, limit: PAGE, after: places.at(-1) });
  const { value: found, error, again } = useEvery(LOOK_EVERY_MS, () => get(path), [path]);
  const narrow = (next) => {
    setFilter(next);
    setPlaces([undefined]);
  };
  const done = () => {
    setChosen(null);
    again();
  };

  return html`
    <${Jobs} kind=${kind.job} onEnd=${again} />
    <${Filter} fields=${kind.fields.map((field) => ({ ...field, value: members[field.name] }))} onApply=${narrow} />
    <div class="bar">
      <span>${found && t("kept.in_all", { n: number(found.kept[kind.list]), bytes: bytes(found.kept.bytes) })}</span>
      <span class="buttons push"><${Orders} orders=${kind.orders(filter)} disabled=${!found?.kept[kind.list]} onDone=${done} /></span>
    </div>
    <${Problem} error=${error} />
    <div class=${chosen ? "kept beside" : "kept"}>
      <${Entries} kind=${kind} found=${found} chosen=${chosen} onChoose=${setChosen} />
      ${chosen && html`<${Looked} key=${chosen} kind=${kind} id=${chosen} status=${status} onDone=${done} onClose=${() => setChosen(null)} />`}
    </div>
    <${Pages} number=${places.length} next=${found?.next} onBack=${() => setPlaces(places.slice(0, -1))} onNext=${() => setPlaces([...places, found.next])} />
  `;
}

function Entries({ kind, found, chosen, onChoose }) {
  if (!found) return html`<p role="status" class="faint">${t("kept.looking")}</p>`;

  const entries = found[kind.list];
  if (entries.length === 0) return html`<${Empty}>${t(found.next ? "kept.none_here" : "kept.none")}<//>`;
  const look = ({ id }) => html`<button type="button" aria-expanded=${id === chosen ? "true" : "false"}
    onClick=${() => onChoose(id === chosen ? null : id)}>${t("kept.look")}</button>`;
  const columns = [...kind.columns, { name: "look", title: "", show: look }];
  return html`<${Table} columns=${columns} rows=${entries} keyOf=${({ id }) => id} label=${kind.label} />`;
}

/// One of them, whole.
function Looked({ kind, id, status, onDone, onClose }) {
  const [{ entry, error }, setState] = useState({});
  const heading = useRef(null);
  useEffect(() => {
    heading.current.focus();
    heading.current.scrollIntoView({ block: "nearest" });
    get(`${kind.path}/${encodeURIComponent(id)}`).then((entry) => setState({ entry }), (error) => setState({ error }));
  }, [id]);

  return html`<article class="card looked" aria-labelledby="looked">
    <div class="bar">
      <h2 id="looked" tabindex="-1" ref=${heading}>${kind.one}</h2>
      <button type="button" class="quiet push" onClick=${onClose}>${t("orders.close")}</button>
    </div>
    <${Problem} error=${error} />
    ${entry && html`<div class="buttons"><${Orders} orders=${kind.orders({ id })} onDone=${onDone} /></div>
      <${kind.Look} entry=${entry} status=${status} />`}
  </article>`;
}

export function Pages({ number, says, next, onBack, onNext }) {
  if (number === 1 && !next && !says) return null;
  return html`<nav class="bar pages" aria-label=${t("kept.pages")}>
    <button type="button" disabled=${number === 1} onClick=${onBack}>${t("kept.back")}</button>
    <span role="status">${says ?? t("kept.page", { n: number })}</span>
    <button type="button" disabled=${!next} onClick=${onNext}>${t("kept.next")}</button>
  </nav>`;
}

words({
  en: {
    "kept.in_all": "{n} in all, {bytes}", "kept.looking": "Looking…", "kept.none": "Nothing here.",
    "kept.none_here": "Nothing on this page; there may be more on the next.", "kept.look": "Look",
    "kept.pages": "Pages of the list", "kept.back": "Back", "kept.next": "Next", "kept.page": "Page {n}",
  },
  zh: {
    "kept.in_all": "共 {n} 个，{bytes}", "kept.looking": "正在查找…", "kept.none": "这里没有内容。",
    "kept.none_here": "本页没有内容，下一页可能还有。", "kept.look": "查看",
    "kept.pages": "列表分页", "kept.back": "上一页", "kept.next": "下一页", "kept.page": "第 {n} 页",
  },
});
