"""The start of a function in Python: a client of the Lambda Runtime API.

It needs Python 3.8 and the standard library. It asks for an event, calls the
handler, and answers, one event at a time.
"""

import http.client
import importlib
import json
import os
import sys
import time
import traceback

API = "/2018-06-01/runtime"
JSON = {"Content-Type": "application/json"}


class Context:
    """What a handler is told of an invocation, with the names that Lambda has."""

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers.get("Lambda-Runtime-Invoked-Function-Arn")
        self.tenant_id = headers.get("Lambda-Runtime-Aws-Tenant-Id")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = None
        client = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = json.loads(client) if client else None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline - int(time.time() * 1000), 0)


class Failure(Exception):
    """An error of this file's own, with the name that Lambda has for it."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


def describe(e):
    """The error as the API wants it; the stack begins in the user's code."""
    stack = [f for f in traceback.extract_tb(e.__traceback__) if f.filename != __file__ and "importlib" not in f.filename]
    return {
        "errorType": e.kind if isinstance(e, Failure) else type(e).__name__,
        "errorMessage": str(e),
        "stackTrace": traceback.format_list(stack),
    }


def load():
    """The handler that _HANDLER names, as dir/file.function."""
    spec = os.environ["_HANDLER"]
    file, dot, name = spec.rpartition(".")
    if not dot or not file:
        raise Failure("Runtime.MalformedHandlerName", "the handler is %r: it must be FILE.FUNCTION, like handler.handler" % spec)
    root = os.environ["LAMBDA_TASK_ROOT"]
    sys.path.insert(0, root)
    sys.path.insert(0, os.path.dirname(os.path.join(root, file)))
    try:
        module = importlib.import_module(file.replace("/", "."))
    except ImportError as e:
        failure = Failure("Runtime.ImportModuleError", "the module %r cannot be loaded: %s" % (file, e))
        raise failure.with_traceback(e.__traceback__) from e
    handler = getattr(module, name, None)
    if not callable(handler):
        raise Failure("Runtime.HandlerNotFound", "%s.py has no function %s" % (file, name))
    return handler


def answer(handler, body, headers):
    """The path below the invocation, and the body, of what the handler made of an event."""
    try:
        try:
            event = json.loads(body)
        except ValueError as e:
            raise Failure("Runtime.UnmarshalError", "the event is no JSON: %s" % e) from e
        out = handler(event, Context(headers))
        try:
            return "response", json.dumps(out, ensure_ascii=False, allow_nan=False).encode(), JSON
        except (TypeError, ValueError) as e:
            raise Failure("Runtime.MarshalError", "the handler returned what has no JSON: %s" % e) from e
    except Exception as e:  # whatever user code raises is its answer
        error = describe(e)
        return "error", json.dumps(error).encode(), dict(JSON, **{"Lambda-Runtime-Function-Error-Type": error["errorType"]})


def main():
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(method, path, body=None, headers=()):
        api.request(method, API + path, body, dict(headers))
        response = api.getresponse()
        return response, response.read()

    try:
        handler = load()
    except BaseException as e:  # a module may end the process, too
        error = describe(e)
        print("%s: %s" % (error["errorType"], error["errorMessage"]), file=sys.stderr)
        call("POST", "/init/error", json.dumps(error).encode(), JSON)
        sys.exit(1)
    while True:
        response, body = call("GET", "/invocation/next")
        if response.status != 200:
            sys.exit("the platform answered %d" % response.status)
        trace = response.headers.get("Lambda-Runtime-Trace-Id")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        kind, out, headers = answer(handler, body, response.headers)
        sys.stdout.flush()
        call("POST", "/invocation/%s/%s" % (response.headers["Lambda-Runtime-Aws-Request-Id"], kind), out, headers)


if __name__ == "__main__":
    try:
        main()
    except (ConnectionError, http.client.HTTPException):
        sys.exit(1)  # the platform is gone
