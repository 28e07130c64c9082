"""ask: sends whoever decides a link to the order's page. The task waits for the answer, which carries its token.

The mail lies in out/mail; who has the link can decide."""

import os
import urllib.parse

import shop


def ask(event, context):
    order = event["order"]
    with open(f"{shop.OUT}/approvals.url") as file:
        page = file.read().strip()
    link = page + "?" + urllib.parse.urlencode({"order": order["order"], "total": order["total"], "token": event["token"]})
    os.makedirs(f"{shop.OUT}/mail", exist_ok=True)
    part = f"{shop.OUT}/mail/{order['order']}.part"
    with open(part, "w") as file:
        file.write(link + "\n")
    os.rename(part, f"{shop.OUT}/mail/{order['order']}.txt")
    print(f"asked for approval of order {order['order']}, {order['total']}")
