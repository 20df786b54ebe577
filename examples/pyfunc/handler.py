"""A function of Python, as AWS Lambda knows them: the standard library is all it needs."""

import statistics


def handler(event, context):
    numbers = event["numbers"]
    return {"mean": statistics.mean(numbers), "median": statistics.median(numbers), "request": context.aws_request_id}
