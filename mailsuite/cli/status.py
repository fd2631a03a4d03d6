"""`mailsuite status`: what a running server says of itself."""

import time
from typing import Any

import typer

from mailsuite.cli import output
from mailsuite.cli.options import ConfigOption, DataOption, JsonOption, NoDataFolder, data_folder

NOT_RUNNING = 3


def status(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """Tell listeners, sessions, queue and versions of the running server.

    Exit code 3 when no server is running.
    """
    from mailsuite.control import Client, NotRunning

    try:
        with Client(data_folder(config, data), timeout=15) as client:
            found: dict[str, Any] = client.call("status")
    except (NotRunning, NoDataFolder) as error:
        if json:
            output.emit({"running": False})
        output.fail(str(error))
        raise typer.Exit(NOT_RUNNING) from error
    if json:
        output.emit({"running": True, **found})
        return
    running = output.span(time.time() - found["started_at"])
    output.say(f"mailsuite {found['version']} on {found['hostname']}, running for {running}")
    output.say(f"data folder {found['data']}\n")
    output.table(
        ["Listener", "Address", "Port", "TLS", "Sessions"],
        [
            (at["name"], at["host"], at["port"], at["tls"], at["sessions"])
            for at in found["listeners"]
        ],
        right=["Port", "Sessions"],
        empty="no listeners",
    )
    queue = found["queue"]
    output.say(
        f"\nQueue: {queue['messages']} messages; recipients: "
        + ", ".join(f"{queue[state]} {state}" for state in ("due", "active", "held", "bounced"))
    )
    for one in found["relay"]:
        state = f"{one['attempts']} under way, {one['idle']} connections unused"
        if one["why"]:
            state = f"tried again in {output.span(one['left_alone'])}: {one['why']}"
        output.say(f"  To {one['name']}: {state}")
    for name, counts in found["proxied"].items():
        output.say(
            f"  {name} behind a proxy: {counts['connections']} connections, refused"
            f" {counts['untrusted']} from elsewhere and {counts['bad_headers']} with a bad header"
        )
    if fetched := found["fetch"]:
        failing = [one for one in fetched if one["failures"]]
        output.say(f"Fetch: {len(fetched)} accounts, {len(failing)} of them failing")
        for one in failing:
            output.say(f"  {one['user']} at {one['host']}: {one['error']}")
    output.say(f"Event loop: late by {found['loop_lag'] * 1000:.0f} ms at the worst (last minute)")
    output.say(
        "Versions: " + ", ".join(f"{name} {text}" for name, text in found["versions"].items())
    )
