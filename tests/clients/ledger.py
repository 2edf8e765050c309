"""Whether three books of the same calls agree: what a client was told, the gateway's usage rows, and the Bedrock mock's ledger."""

KINDS = ("input_tokens", "output_tokens", "cache_read_input_tokens")
LIFETIMES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def total(usages):
    """The sum of usages in the form of a usage row's, as (input, output, cache read, cache written)."""
    usages = list(usages)
    written = sum(usage["cache_creation"][lifetime] for usage in usages for lifetime in LIFETIMES)
    return (*(sum(usage[kind] for usage in usages) for kind in KINDS), written)


def differences(records, counted, calls, told):
    """What does not agree, in words. `calls` is the whole ledger by request id, `told` what the client counted of the rows
    `counted`, or None."""
    found = []
    for record in records:
        name = f"usage row {record['request_id']} ({record['model']})"
        call = calls.get(record["upstream_request_id"])
        if call is None:
            found.append(f"{name}: the mock billed no such call")
            continue
        for field in ("usage", "cost_picodollars"):
            if record[field] != call[field]:
                found.append(f"{name}: {field} is {record[field]}, and {call[field]} in the mock's ledger")
        if record["outcome"] != "success" or record["estimated"]:
            found.append(f"{name}: outcome {record['outcome']}, estimated {record['estimated']}")
    sums = total(record["usage"] for record in counted)
    if told is not None and tuple(told) != sums:
        names = "(input, output, cache read, cache written)"
        found.append(f"the client counted {tuple(told)} tokens {names}, and the usage rows {sums}")
    return found


def unclaimed(records, calls):
    """The ledger's calls that are in no usage row, or in two."""
    claimed = [record["upstream_request_id"] for record in records]
    lost = [call for key, call in calls.items() if key not in claimed]
    missing = [f"the mock billed {call['operation']} of {call['model']}, which no usage row has" for call in lost]
    twice = [f"two usage rows are of the mock's call {key}" for key in sorted(set(claimed)) if claimed.count(key) > 1]
    return missing + twice


def words(records, told, portable):
    """The cell of the table."""
    if not records:
        return "no model call, nothing billed"
    names = ("in", "out", "cache read", "cache written")
    sums = total(record["usage"] for record in records)
    parts = [f"{tokens} {name}" if portable else name for tokens, name in zip(sums, names, strict=True) if tokens]
    calls = "1 call" if len(records) == 1 else f"{len(records)} calls"
    books = "client, row and ledger equal" if told is not None else "row and ledger equal"
    # Whoever says so (Claude Code) is told apart by it, for what it is worth.
    sessions = {record.get("session_id") for record in records} - {None}
    of = f" of {len(sessions)} session" if sessions else ""
    return f"{calls}{of}: {', '.join(parts)}; {books}"
