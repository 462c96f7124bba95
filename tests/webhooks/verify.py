"""Verifies webhooks with the published standardwebhooks library: one JSON object a line on standard
input, {"secret", "headers", "body"}; prints how many are right, ends with 1 at the first that is not."""
import json
import sys

from standardwebhooks import Webhook

count = 0
for line in sys.stdin:
    hook = json.loads(line)
    Webhook(hook["secret"]).verify(hook["body"], hook["headers"])
    count += 1
print(count)
