"""A Kafka record on standard input, what the CloudEvents SDK makes of it on standard output."""
import json, sys

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

record = json.load(sys.stdin)["kafka"]
headers = {name: value.encode() for name, value in record["headers"].items()}
event = from_binary(KafkaMessage(headers, record["key"], record["value"].encode()), JSONFormat())
json.dump({"kafka": {**event.get_attributes(), "data": event.get_data()}}, sys.stdout, default=lambda time: time.isoformat())
