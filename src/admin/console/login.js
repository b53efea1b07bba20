//! The form that a token is shown to, once for twelve hours.
//!
//! Deliberately keeps no token: the gateway answers with a cookie that no script reads.

import { html, useState } from "./vendor/preact.js";
import { post } from "./api.js";
import { Problem } from "./parts.js";
import { t, words } from "./words.js";

export function Login({ onDone }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);

  const logIn = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    setError(null);
    try {
      await post("/api/login", { token: form.elements.token.value });
      onDone();
    } catch (problem) {
      setError(problem);
      form.elements.token.select();
    } finally {
      setBusy(false);
    }
  };

  return html`<main class="login">
    <form onSubmit=${logIn}>
      <img src="icon.svg" alt="" width="56" height="56" />
      <h1>boxbridge</h1>
      <label for="token">${t("login.token")}</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required autofocus spellcheck="false" />
      <button type="submit" class="primary" disabled=${busy}>${t("login.log_in")}</button>
      <${Problem} error=${error} />
      <p class="faint">${t("login.where")}</p>
    </form>
  </main>`;
}

words({
  en: { "login.token": "Token", "login.log_in": "Log in", "login.where": "The gateway's operator has one: it stands in the file of admin.token_file." },
  zh: { "login.token": "令牌", "login.log_in": "登录", "login.where": "令牌由网关管理员提供，写在 admin.token_file 指定的文件中。" },
});
