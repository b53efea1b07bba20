// Rings for blacklisted people: an alert subscriber over MQTT 5 and WebSocket, with mqtt.js. The same code runs in a browser.
//
//     npm install
//     node alerts.js ws://127.0.0.1:8083
import mqtt from "mqtt";

const TOPICS = ["events", "late"].map((which) => `boxbridge/+/${which}/blacklist/+`);
const seen = new Set(); // id and revision of the last 10,000 events; a Set keeps the order in which they came

// The same event may come twice; another revision of it is newer news.
function isNews({ id, revision }) {
  if (seen.has(`${id}.${revision}`)) return false;
  seen.add(`${id}.${revision}`);
  if (seen.size > 10_000) seen.delete(seen.values().next().value);
  return true;
}

// The one rule: no act_before, or past it: do not open, do not ring.
function mayAct({ act_before }) {
  return act_before !== null && Date.now() < Date.parse(act_before);
}

async function show({ id, pictures }) {
  const url = (pictures.face ?? pictures.scene)?.url;
  for (const pause of url ? [0, 1000, 2000, 4000] : []) {
    await new Promise((done) => setTimeout(done, pause)); // One that is not "stored" yet is on its way.
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return console.log("picture", id, (await answer.arrayBuffer()).byteLength, "bytes");
    } catch (error) {
      console.error("no picture yet:", error.message);
    }
  }
}

const client = await mqtt.connectAsync(process.argv[2], {
  protocolVersion: 5,
  clientId: "javascript-alerts",
  clean: false, // The broker keeps for an hour what comes while we are away.
  properties: { sessionExpiryInterval: 3600 },
}); // It comes back, and subscribes again, by itself when the broker does.

// One after the other: events of a device come in order.
client.on("message", (_, payload) => {
  const event = JSON.parse(payload);
  if (!isNews(event)) return;
  console.log(mayAct(event) ? "ALERT" : "record", event.id, event.revision, event.identity.name, event.device.id);
  show(event);
});
client.on("error", (error) => console.error(error.message));
await client.subscribeAsync(TOPICS, { qos: 1 });
console.log("listening");
process.on("SIGTERM", () => client.end());
