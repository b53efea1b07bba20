//! A page of the web, open beside the console of somebody who is logged in: it reads nothing, does nothing, shows nothing of it, and sends
//! no event. From another host, and from another port of the console's own, which a browser calls the same site: so its cookie goes along.

import { createServer } from "node:http";

import { assert, ask, CONSOLE, done, event, INGEST, open, openIn, send } from "./browser.mjs";

const { token, pictures } = await ask("key");
const page = await open("", { expected: ["status of 401"] });
await page.getByLabel("Token").fill(token);
await page.keyboard.press("Enter");
await page.getByRole("navigation").waitFor();
await send(event({ type: 3, name: "Victor Null", pictures }));
const face = page.locator(".alarms article img").first();
await face.waitFor();
const picture = new URL(await face.getAttribute("src"), `${CONSOLE}/`).href;
assert.ok(await face.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)), "the guard sees the face");
const before = await ask("counts");
assert.equal(before.accepted, 1);

const server = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><p>A page</p>"));
await new Promise((listens) => server.listen(0, listens));
for (const host of ["127.0.0.1", "localhost"]) {
  const evil = await openIn(page.context(), `http://${host}:${server.address().port}/`, [""]);
  const come = await evil.evaluate(attack, { console: CONSOLE, ingest: INGEST, picture, event: event({ name: "Nobody" }) });
  assert.deepEqual(come, [], `from ${host}`);

  await evil.evaluate(embed, CONSOLE);
  const framed = evil.frames().filter((frame) => frame.url().startsWith(CONSOLE));
  const shown = await Promise.all(framed.map((frame) => frame.locator("body").innerText().catch(() => "")));
  assert.deepEqual(shown.filter((text) => text !== ""), [], "nobody clicks on a console that he does not see");
  await evil.close();
}
server.close();

assert.deepEqual(await ask("counts"), before);
await page.reload();
await page.locator(".alarms article").waitFor();
await done();

/// What a page can try; what it came to know.
async function attack({ console, ingest, picture, event }) {
  const came = [];
  const credentials = "include";
  const reads = ["/api/status", "/api/events", "/api/devices", "/metrics"].map((path) => console + path);
  for (const url of [...reads, picture]) {
    const read = fetch(url, { credentials }).then((answer) => answer.text());
    await read.then(() => came.push(`read ${url}`), () => {});
  }

  // Neither asks a server before it sends; what comes back is for nobody to see.
  const blind = (url, body) => fetch(url, { method: "POST", mode: "no-cors", credentials, body }).catch(() => {});
  await blind(`${console}/api/reload`, "");
  await blind(`${console}/api/replays`, "{}");
  await blind(`${console}/api/aside/drop`, '{"all":true}');
  await blind(`${console}/api/logout`, "");
  await blind(`${ingest}/RealTimeEvent`, JSON.stringify(event));
  const form = Object.assign(document.createElement("form"), { method: "post", enctype: "text/plain", target: "hidden" });
  form.append(Object.assign(document.createElement("input"), { name: '{"all":true,"x":"', value: '"}' }));
  const hidden = Object.assign(document.createElement("iframe"), { name: "hidden" });
  document.body.append(hidden, form);
  for (const url of [`${console}/api/quarantine/drop`, `${ingest}/RealTimeEvent`]) {
    const over = new Promise((resolve) => hidden.addEventListener("load", resolve, { once: true }));
    form.action = url;
    form.submit();
    await over;
  }

  const ended = (tag, property, url) =>
    new Promise((resolve) => {
      const element = Object.assign(document.createElement(tag), { onload: () => resolve(true), onerror: () => resolve(false) });
      element[property] = url;
      document.body.append(element);
    });
  if (await ended("img", "src", picture)) came.push("a face");
  if (await ended("script", "src", `${console}/api/events`)) came.push("events as a script");

  const live = new EventSource(`${console}/api/events/live`, { withCredentials: true });
  const opened = await new Promise((resolve) => Object.assign(live, { onopen: () => resolve(true), onerror: () => resolve(false) }));
  if (opened) came.push("the live view");
  live.close();
  return came;
}

function embed(url) {
  const frame = Object.assign(document.createElement("iframe"), { src: `${url}/` });
  const over = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
  document.body.append(frame);
  return over;
}
