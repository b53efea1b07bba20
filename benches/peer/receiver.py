"""An afternoon's receiver: FastAPI, one worker, to both brokers, with pictures in files.

It answers once both brokers have the event. Pictures are written without a sync, and nothing is kept for a broker that is away:
what it costs stands beside the gateway in the bench, what it loses does not.
"""

import asyncio
import base64
import hashlib
import json
import os
import pathlib
from contextlib import asynccontextmanager

import aiomqtt
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request

PICTURES = pathlib.Path(os.environ["PICTURES"])
PERSON_TYPES = {1: "employee", 2: "visitor", 3: "blacklist", 4: "stranger", 5: "vip"}


@asynccontextmanager
async def lifespan(app: FastAPI):
    host, port = os.environ["MQTT"].rsplit(":", 1)
    app.state.kafka = AIOKafkaProducer(bootstrap_servers=os.environ["KAFKA"], acks="all")
    await app.state.kafka.start()
    async with aiomqtt.Client(host, int(port)) as app.state.mqtt:
        app.state.mqtt.pending_calls_threshold = 1_000  # a warning, no limit
        yield
    await app.state.kafka.stop()


app = FastAPI(lifespan=lifespan)


def keep(picture: str) -> str:
    """Writes a picture under its content's name, once."""
    content = base64.b64decode(picture)
    file = PICTURES / (hashlib.sha256(content).hexdigest() + ".jpg")
    if not file.exists():
        file.write_bytes(content)
    return file.name


@app.post("/RealTimeEvent")
async def take(request: Request):
    event = await request.json()
    inner = event["ext_data"]
    event["reg_pic"] = keep(event["reg_pic"])
    inner["spot_pic"] = keep(inner["spot_pic"])

    person_type = PERSON_TYPES.get(int(inner.get("person_type", 1)), "unknown")
    device = inner["device_ip"]
    payload = json.dumps(event).encode()
    await asyncio.gather(
        app.state.mqtt.publish(f"peer/events/{person_type}/{device}", payload, qos=1),
        app.state.kafka.send_and_wait(f"peer.events.{person_type}", payload, key=device.encode()),
    )
    return {"status": 0}
