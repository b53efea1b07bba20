// Reads every event from Kafka, and rings for blacklisted people, with kafkajs.
//
//     npm install
//     node events.js 127.0.0.1:9092
import { Kafka, logLevel } from "kafkajs";

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

const kafka = new Kafka({ brokers: process.argv[2].split(","), logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({
  groupId: "javascript-events",
  sessionTimeout: 6000, // After a broker's end it takes us so long to get our partitions back.
  retry: { maxRetryTime: 4000 }, // A broker that is away is looked for that often, without end.
});

// Events of a device have one key, so one partition, and come in order. An event is done when this returns: else it comes again.
async function eachMessage({ message }) {
  const event = JSON.parse(message.value);
  if (!isNews(event)) return;
  const rings = event.person_type === "blacklist" && mayAct(event);
  console.log(rings ? "ALERT" : "record", event.id, event.revision, event.identity.name, event.device.id);
  show(event);
}

await consumer.connect();
await consumer.subscribe({ topics: [/^boxbridge\.events\..*/], fromBeginning: true });
await consumer.run({ eachMessage });
process.on("SIGTERM", () => consumer.disconnect().finally(() => process.exit()));
