"""reserve and release: what an order takes from the shelves, and its compensation."""

import json
import os

import shop


class OutOfStock(Exception):
    pass


def reserve(event, context):
    order_id, items = event["order"], event["items"]
    if not shop.done(order_id, "reserved"):
        left = shop.stock()
        missing = [item for item, count in items.items() if left.get(item, 0) < count]
        if missing:
            raise OutOfStock(f"not enough of: {', '.join(missing)}")
        os.makedirs(f"{shop.OUT}/orders/{order_id}", exist_ok=True)
        with open(f"{shop.OUT}/orders/{order_id}/items.json", "w") as file:
            json.dump(items, file)
        shop.do_once(order_id, "reserved", "reserved " + ", ".join(f"{count} {item}" for item, count in items.items()))
    return {"reserved": items}


def release(event, context):
    shop.do_once(event["order"], "released", "released what was reserved")
    return {"released": event["items"]}
