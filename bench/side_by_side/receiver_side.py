"""The receiver's side of a scenario: `cloud-sync serve`, and TLS before the harness's broker, which has none.

Two relays end TLS with the broker's certificate from `cloud-sync init`, demand a client's certificate of its
authority, and pass bytes on: the box's to where the harness lets its gateway go (straight to the broker, or through
the harness's black hole), the receiver's straight to the broker. A relay that cannot reach the broker, or loses it,
hangs up at once, so that a stopped broker is felt as one; a black hole swallows what it passes on. Access lists are
not in force here: they are the business of tests/cloud.

Ends when the process --until ends.
"""

import argparse
import asyncio
import os
import ssl
import sys
from pathlib import Path

CHUNK_BYTES = 64 * 1024


async def main() -> None:
    """Serve until the harness is gone, then let the receiver commit and stop."""
    args = arguments()
    context = tls(args.directory / "broker")
    await relay(args.box_port, args.box_broker_port, context)
    await relay(args.receiver_port, args.receiver_broker_port, context)
    receiver = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("cloud-sync"), "serve", "--config", args.directory / "receiver.toml"
    )
    harness = os.pidfd_open(args.until)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(harness, gone.set)
    await gone.wait()
    receiver.terminate()
    await receiver.wait()
    (args.directory / "ended").touch()


def tls(broker: Path) -> ssl.SSLContext:
    """As broker.py has Mosquitto do it: version 1.2 and above, and a certificate of our authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(broker / "ca" / "ca.pem"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(broker / "server.pem", broker / "server.key")
    return context


async def relay(listen: int, to: int, context: ssl.SSLContext) -> None:
    """Pass on whatever comes, both ways, until either side ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", to)
        except OSError:
            writer.transport.abort()
            return
        ways = [asyncio.create_task(pump(reader, up_writer)), asyncio.create_task(pump(up_reader, writer))]
        _, going_on = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in going_on:
            way.cancel()
        for end in (writer, up_writer):
            end.transport.abort()

    await asyncio.start_server(serve, "127.0.0.1", listen, ssl=context)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One way, until it ends or breaks."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        return


def arguments() -> argparse.Namespace:
    """As prepare.py starts it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="what `cloud-sync init` made")
    parser.add_argument("--until", type=int, required=True, help="process id")
    for name in ("box", "receiver"):
        parser.add_argument(f"--{name}-port", type=int, required=True, help="where it connects to")
        parser.add_argument(f"--{name}-broker-port", type=int, required=True, help="where that leads")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
