"""A Modbus TCP server that is not ours: `python -m benchmarks.modbus_server [REGISTERS]` prints its port.

It is pymodbus's own: unit 1 with registers of both kinds, each with its address as its value.
"""

import asyncio
import socket
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def serve(count: int) -> None:
    registers = [SimData(0, values=list(range(count)), datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    unit = SimDevice(id=1, simdata=(bits, bits, registers, registers))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ModbusTcpServer(unit, address=("127.0.0.1", port))
    serving = asyncio.create_task(server.serve_forever(), name="modbus server")
    while not await _answers(port):  # noqa: ASYNC110 - it does not say when it listens
        await asyncio.sleep(0.05)
    print(f"ready tcp 127.0.0.1:{port}", flush=True)
    await serving


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
