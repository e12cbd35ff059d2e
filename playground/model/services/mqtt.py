"""A broker of messages, Eclipse's mosquitto: its settings, and its row."""

from __future__ import annotations

from dataclasses import field

from playground.errors import TopologyError
from playground.model.arguments import check_flag
from playground.model.records import dataclass
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
)


@dataclass(frozen=True)
class MQTT(ServiceSettings):
    """A broker of MQTT 3.1.1 and 5 on port 1883, with TLS on 8883.

    Anybody may publish and subscribe; with ``log`` its log has every packet.  Its host has the
    commands mosquitto_pub and mosquitto_sub.

    >>> Host("broker", services=[MQTT()])
    Host('broker', services=['mqtt'])

    """

    log: bool = False
    service: str = field(default="mqtt", init=False, repr=False)

    def __post_init__(self) -> None:
        check_flag("MQTT: log", self.log, TopologyError)


# mosquitto.conf(5).  Without bind_address it takes IPv4 and IPv6.
_CONF = """\
per_listener_settings false
allow_anonymous true
user root
persistence false
log_dest file /var/log/mosquitto.log
log_timestamp_format %Y-%m-%dT%H:%M:%S
{log}listener 1883
listener 8883
certfile /etc/playground/tls/cert.pem
keyfile /etc/playground/tls/key.pem
"""

_RUN = """\
#!/bin/sh
exec chpst -P /usr/sbin/mosquitto -c /etc/mosquitto/playground.conf
"""


def _configure_mqtt(settings: MQTT, context: ServiceContext) -> tuple[File, ...]:
    conf = _CONF.format(log="log_type all\n" if settings.log else "")
    return (
        File("/etc/mosquitto/playground.conf", conf.encode()),
        File("/etc/sv/mosquitto/run", _RUN.encode(), 0o755),
    )


# CONNECT of MQTT 3.1.1 sections 3.1 and 3.2: clean session, client "probe"; CONNACK accepts.
_CONNECT = b"\x10\x11\0\4MQTT\4\2\0\x3c\0\5probe"
_ACCEPTED = r"^\x20\x02.\x00"

MQTT_ROW = ServiceRow(
    name="mqtt",
    settings=MQTT,
    layer=None,
    programs=("mosquitto",),
    ports=(Port(1883), Port(8883, tls=True)),
    probes=(
        Probe(1883, send=_CONNECT, expect=_ACCEPTED),
        Probe(8883, tls=True, send=_CONNECT, expect=_ACCEPTED),
    ),
    logs=("/var/log/mosquitto.log",),
    configure=_configure_mqtt,
    tls=True,
    processes=2,
    accounts=("mosquitto",),
    packages=("mosquitto", "mosquitto-clients"),
)
