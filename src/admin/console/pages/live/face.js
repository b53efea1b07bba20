//! One event as a card: scene beside the enrolled photo, who, what kind of person, when and where.
//!
//! Promises: an alarm says until when one may act on it, and looks different once that is over. Deliberately links to the event, and knows
//! nothing of the wall.

import { Component, html } from "../../vendor/preact.js";
import { PersonType, Picture, Text, When, number } from "../../parts.js";
import { t, words } from "../../words.js";

/// An alarm has a button of its own. Little of a card changes, so it is seldom drawn.
export class Face extends Component {
  shouldComponentUpdate(next) {
    const { card, spoken, isOver } = this.props;
    return next.card !== card || next.spoken !== spoken || next.isOver !== isOver;
  }

  render(props) {
    return drawn(props);
  }
}

function drawn({ card, acknowledge, isOver }) {
  const percent = card.score === null ? "–" : `${number(card.score * 100, 1)} %`;
  const kinds = [acknowledge && "alarm", card.isLate && "late", isOver && "over"].filter(Boolean);
  return html`<article class=${`face type-${card.type} ${kinds.join(" ")}`}>
    <a class="both" href=${`#/event/${card.id}`} aria-label=${t("face.open", { name: card.name || card.identity })}>
      <${Picture} picture=${card.face} label=${t("face.scene")} alt=${t("face.scene_of", { name: card.name })} />
      <${Picture} picture=${card.registered} label=${t("face.enrolled")} alt=${t("face.enrolled_of", { name: card.name })} />
    </a>
    <div class="who">
      <p class="name"><a href=${`#/event/${card.id}`} tabindex="-1"><${Text} text=${card.name || card.identity || "–"} longest=${60} /></a><b class="score number">${percent}</b></p>
      <p><${PersonType} type=${card.type} />${card.isLate && html`<span class="badge">${t("face.late")}</span>`}</p>
      ${acknowledge && html`<${Until} card=${card} isOver=${isOver} />`}
      <p class="where"><${When} at=${card.at} /> · <${Text} text=${card.door || card.device} longest=${40} /> · <${Text} text=${card.site} longest=${30} /></p>
    </div>
    ${acknowledge && html`<button class="danger" onClick=${acknowledge}>${t("face.acknowledge")}</button>`}
  </article>`;
}

/// The consumer's rule, where guards look.
function Until({ card, isOver }) {
  const moment = html`<${When} at=${new Date(card.actBefore).toISOString()} />`;
  return html`<p class="until">${t(isOver ? "face.over" : "face.until")} ${moment}</p>`;
}

words({
  en: {
    "face.scene": "now", "face.enrolled": "enrolled", "face.scene_of": "{name} at the door", "face.enrolled_of": "{name} as enrolled",
    "face.open": "Open the event of {name}", "face.late": "for the record", "face.acknowledge": "Acknowledge",
    "face.until": "Act before", "face.over": "Too late to act since",
  },
  zh: {
    "face.scene": "现场", "face.enrolled": "注册照", "face.scene_of": "{name} 现场照", "face.enrolled_of": "{name} 注册照",
    "face.open": "打开 {name} 的事件", "face.late": "仅供记录", "face.acknowledge": "确认",
    "face.until": "处置截止", "face.over": "已过处置期限：",
  },
});
