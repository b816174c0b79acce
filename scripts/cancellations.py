"""Gives calls up as Python's gRPC clients do, and says whether that cost a connection.

Usage: cancellations.py ADDRESS AGENT_KEY COUNT
"""

import random
import sys

import grpc

ADDRESS, KEY, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
METADATA = (("x-agent-key", KEY),)
# A message with field 1, the action.
CHECK = b"\x0a\x09read:file"


def ports():
    """The local ports of this machine's open connections to the server."""
    host, port = ADDRESS.rsplit(":", 1)
    remote = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{int(port):04X}"
    rows = []
    for table in ("tcp", "tcp6"):
        with open(f"/proc/self/net/{table}", encoding="ascii") as lines:
            rows += [line.split() for line in lines][1:]
    # The client may use one kind of socket for both kinds of address.
    return {row[1] for row in rows if row[2].endswith(remote) and row[3] == "01"}


def main():
    options = [
        ("grpc.enable_retries", 0),
        # As clients are set up that pass through load balancers.
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    with grpc.insecure_channel(ADDRESS, options=options) as channel:
        call = channel.unary_unary("/agentguard.v1.EnforcementService/Enforce")
        call(CHECK, metadata=METADATA, timeout=30)
        first, given_up, answered = ports(), 0, 0
        if len(first) != 1:
            sys.exit(f"{len(first)} connections to begin with")
        while given_up < COUNT:
            # Given up by hand at once, by a deadline on the way, or not at all.
            waiting = []
            for _ in range(100):
                kind = random.randrange(3)
                future = call.future(CHECK, metadata=METADATA, timeout=random.uniform(0.0005, 0.05) if kind == 1 else 30)
                if kind == 0:
                    future.cancel()
                waiting.append(future)
            for future in waiting:
                try:
                    future.result()
                    answered += 1
                except grpc.FutureCancelledError:
                    given_up += 1
                except grpc.RpcError as error:
                    if error.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
                        sys.exit(f"after {given_up} calls given up: {error}")
                    given_up += 1
            call(CHECK, metadata=METADATA, timeout=30)
            if ports() != first:
                sys.exit(f"after {given_up} calls given up the connection is another one")
        # The control: a second connection would have been seen.
        with grpc.insecure_channel(ADDRESS, options=[*options, ("grpc.use_local_subchannel_pool", 1)]) as other:
            other.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=30)
            if len(ports()) != 2:
                sys.exit("a second connection is not seen")
    print(f"{given_up} calls given up, {answered} answered, 1 connection")


main()
