"""A QUIC server and client for record.sh, over the PyPI package aioquic."""
import argparse
import asyncio

from aioquic.asyncio import connect, serve
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import QuicProtocolVersion

parser = argparse.ArgumentParser()
parser.add_argument("role", choices=["server", "client"])
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("names", nargs="*", help="server: certificate and key; client: server name")
parser.add_argument("--retry", action="store_true")
parser.add_argument("--v2", action="store_true")
parser.add_argument("--unknown-version", action="store_true")
options = parser.parse_args()


class Echo(QuicConnectionProtocol):
    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data, end_stream=True)
            self.transmit()


async def server():
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3", "echo"])
    configuration.load_cert_chain(*options.names)
    await serve(options.host, options.port, configuration=configuration, create_protocol=Echo, retry=options.retry)
    await asyncio.sleep(60)


async def client():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["echo"], server_name=options.names[0])
    configuration.verify_mode = 0
    versions = [QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2]
    if options.v2:
        configuration.original_version = QuicProtocolVersion.VERSION_2
        versions.reverse()
    if options.unknown_version:
        configuration.original_version = 0x1A2A3A4A  # greased: the server must negotiate
        versions.insert(0, 0x1A2A3A4A)
    configuration.supported_versions = versions
    async with connect(options.host, options.port, configuration=configuration) as protocol:
        reader, writer = await protocol.create_stream()
        writer.write(b"hello")
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 5)


asyncio.run(asyncio.wait_for(server() if options.role == "server" else client(), 60))
