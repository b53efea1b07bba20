// A Kafka record and an MQTT message on standard input, what the CloudEvents SDK makes of them on standard output.
import { readFileSync } from "node:fs";
import { Kafka, MQTT } from "cloudevents";

const { kafka, mqtt } = JSON.parse(readFileSync(0));
const of = (binding, message) => {
  if (!binding.isEvent(message)) throw new Error("no CloudEvent");
  return binding.toEvent(message, true);
};
const record = of(Kafka, { key: kafka.key, value: kafka.value, headers: kafka.headers, body: kafka.value });
const message = of(MQTT, {
  PUBLISH: { "Content Type": mqtt.contentType },
  headers: mqtt.properties,
  body: mqtt.payload,
});
console.log(JSON.stringify({ kafka: record, mqtt: message }));
