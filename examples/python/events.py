"""Reads every event from Kafka, and rings for blacklisted people, with confluent-kafka (Python 3.11 or later).

pip install -r requirements.txt && python events.py 127.0.0.1:9092
"""
import json, signal, sys, time, urllib.request
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from confluent_kafka import Consumer

seen = OrderedDict()  # (id, revision) of the last 10,000 events
pictures = ThreadPoolExecutor(2)  # A slow picture holds up no event.
stopping = []


def is_news(event):  # The same event may come twice; another revision of it is newer news.
    key = (event["id"], event["revision"])
    is_known = key in seen
    seen[key] = None
    if len(seen) > 10_000:
        seen.popitem(last=False)
    return not is_known


def may_act(event):  # The one rule: no act_before, or past it: do not open, do not ring.
    until = event["act_before"]
    return until is not None and datetime.now(timezone.utc) < datetime.fromisoformat(until)


def show(event):
    picture = event["pictures"]["face"] or event["pictures"]["scene"]
    for pause in (0, 1, 2, 4) if picture and picture["url"] else ():
        time.sleep(pause)  # One that is not "stored" yet is on its way.
        try:
            image = urllib.request.urlopen(picture["url"], timeout=5).read()
            return print("picture", event["id"], len(image), "bytes", flush=True)
        except OSError as error:
            print("no picture yet:", error, file=sys.stderr)


settings = {"bootstrap.servers": sys.argv[1], "group.id": "python-events"}
consumer = Consumer(settings | {"auto.offset.reset": "earliest", "enable.auto.offset.store": False})
consumer.subscribe([r"^boxbridge\.events\..*"])
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
while not stopping:
    message = consumer.poll(1)  # A device's events have one key, so one partition, and come in order.
    if message is None or message.error():
        continue  # An error is a broker that is away: the client finds it again by itself.
    event = json.loads(message.value())
    if is_news(event):
        rings = event["person_type"] == "blacklist" and may_act(event)
        who, where = event["identity"]["name"], event["device"]["id"]
        print("ALERT" if rings else "record", event["id"], event["revision"], who, where, flush=True)
        pictures.submit(show, event)
    consumer.store_offsets(message)  # Only now: what was not handled comes again.
consumer.close()
