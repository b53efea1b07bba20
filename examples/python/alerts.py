"""Rings for blacklisted people: an alert subscriber over MQTT 5, with paho-mqtt (Python 3.11 or later).

pip install -r requirements.txt && python alerts.py mqtt://127.0.0.1:1883
"""
import json, signal, sys, time, urllib.request
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes

TOPICS = [(f"boxbridge/+/{which}/blacklist/+", 1) for which in ("events", "late")]
seen = OrderedDict()  # (id, revision) of the last 10,000 events
pictures = ThreadPoolExecutor(2)  # A slow picture holds up no alert.


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


def on_message(client, _, message):  # One after the other: events of a device come in order.
    event = json.loads(message.payload)
    if is_news(event):
        who, where = event["identity"]["name"], event["device"]["id"]
        print("ALERT" if may_act(event) else "record", event["id"], event["revision"], who, where, flush=True)
        pictures.submit(show, event)


broker, session = urlsplit(sys.argv[1]), mqtt.Properties(PacketTypes.CONNECT)
session.SessionExpiryInterval = 3600  # The broker keeps for an hour what comes while we are away.
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "python-alerts", protocol=mqtt.MQTTv5)
client.on_connect = lambda *_: client.subscribe(TOPICS)
client.on_subscribe = lambda *_: print("listening", flush=True)
client.on_message = on_message
client.connect(broker.hostname, broker.port or 1883, clean_start=False, properties=session)
signal.signal(signal.SIGTERM, lambda *_: client.disconnect())
client.loop_forever()  # It comes back by itself when the broker does.
