"""The shop's books, as files in out/: what was done for an order, and a ledger in the order in which it was done.

A task may be run again when nobody knows whether it was done. Each action of an order is therefore done under a name of its
own, and a name can be taken once: who comes second changes nothing and answers the same."""

import json
import os

OUT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "out")


def done(order_id, action):
    return os.path.exists(f"{OUT}/orders/{order_id}/{action}")


def do_once(order_id, action, note):
    os.makedirs(f"{OUT}/orders/{order_id}", exist_ok=True)
    try:
        os.close(os.open(f"{OUT}/orders/{order_id}/{action}", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    with open(f"{OUT}/ledger.txt", "a") as ledger:
        ledger.write(f"{order_id}: {note}\n")
    return True


def stock():
    """What lies on the shelves, less what is reserved."""
    left = {"teapot": 20, "samovar": 2}
    for order_id in os.listdir(f"{OUT}/orders") if os.path.isdir(f"{OUT}/orders") else []:
        try:
            with open(f"{OUT}/orders/{order_id}/items.json") as file:
                items = json.load(file)
        except FileNotFoundError:
            continue
        if done(order_id, "reserved") and not done(order_id, "released"):
            for item, count in items.items():
                left[item] -= count
    return left
